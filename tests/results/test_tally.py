"""The table of a comparison in a narrow place."""

from priorkit.results.tally import brief, cells

HEAD = ["prior", "m", "PSNR", "expected", "error", "evaluations"]


def test_what_says_nothing_is_left_out_and_what_is_common_is_said():
    rows = [["a", "90", "20.0", "—", "1e-2", "30"], ["b", "90", "21.0", "—", "8e-3", "30"]]
    (head, kept), common = brief(HEAD, rows)
    assert head == ["prior", "PSNR"]
    assert kept == [["a", "20.0"], ["b", "21.0"]]
    assert common == ["m 90", "evaluations 30"]


def test_what_all_solvers_count_is_called_as_they_call_it():
    """As in the table of a single run; of several it is called evaluations."""
    row = {"prior": "a", "m": None, "status": "done", "evaluations": 60.0}
    calls, sweeps = row | {"unit": "calls of the denoiser"}, row | {"unit": "sweeps"}
    failed = {"prior": "b", "m": None, "status": "none", "reason": "no"}
    assert cells([calls, calls, failed], known=True)[0] == ["prior", "calls of the denoiser"]
    assert cells([calls, sweeps], known=False)[0] == ["prior", "evaluations"]


def test_the_error_stays_where_there_is_no_psnr():
    """Of what has no pixels."""
    rows = [["a", "", "—", "—", "1e-2", "30"], ["b", "", "—", "—", "8e-3", "31"]]
    assert brief(HEAD, rows) == (
        (["prior", "error", "evaluations"], [["a", "1e-2", "30"], ["b", "8e-3", "31"]]),
        [],
    )


def test_a_row_without_a_result_has_nothing_in_common_with_others():
    """Nor has one alone; what only some know stays a column."""
    failed = ["c", "60", "—", "", "", ""]
    rows = [
        ["a", "60", "20.0", "25.0", "1e-2", "30"],
        ["b", "60", "21.0", "—", "8e-3", "30"],
        failed,
    ]
    (head, kept), common = brief(HEAD, rows)
    assert head == ["prior", "PSNR", "expected"]
    assert kept[2] == ["c", "—", ""]
    assert common == ["m 60", "evaluations 30"]
    (head, _), common = brief(HEAD, [rows[0], failed])
    assert head == ["prior", "m", "PSNR", "expected", "evaluations"]
    assert common == []
    (head, kept), common = brief(HEAD, [failed])
    assert (kept, common) == ([["c", "60"]], [])
