"""The table of how long tests took."""

from tests.durations import by_group

REPORT = """<testsuites><testsuite name="pytest">
<testcase classname="tests.io.test_files" name="test_one" time="1.5"/>
<testcase classname="tests.io.test_npz.TestAll" name="test_two" time="0.5"/>
<testcase classname="tests.test_loop" name="test_three" time="2"/>
<testcase classname="" name="tests.plugins.test_deepinv" time="0"><skipped/></testcase>
</testsuite></testsuites>"""


def test_every_group_has_a_name(tmp_path):
    """A file that is skipped whole has no class in pytest's report."""
    (tmp_path / "durations.xml").write_text(REPORT)
    counts, seconds = by_group(tmp_path / "durations.xml")
    assert counts == {"io": 2, "test_loop": 1, "plugins": 1}
    assert seconds == {"io": 2.0, "test_loop": 2.0, "plugins": 0.0}
