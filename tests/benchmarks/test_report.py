from dataclasses import replace

from page import write_section
from report import Found, document, plot_shares
from rows import Results, Row, read_rows

ROW = Row("nickel", 120, "points", 8.0, "raw", 500, "abc", within2=0.7123, within2_low=0.66, within2_high=0.75)


def test_results_come_back_as_they_were_written(tmp_path):
    results = Results(tmp_path / "rows.csv", resume=False)
    results.add(ROW)
    assert replace(read_rows(tmp_path / "rows.csv")[0], judge_error=1.0).within2 == ROW.within2
    assert ROW in Results(tmp_path / "rows.csv", resume=True)


def test_rows_of_other_weights_are_not_gone_on_with(tmp_path):
    Results(tmp_path / "rows.csv", resume=False).add(ROW)
    other = replace(ROW, digest="def")
    resumed = Results(tmp_path / "rows.csv", resume=True)
    assert other not in resumed
    resumed.add(other)
    assert [row.digest for row in read_rows(tmp_path / "rows.csv")] == ["def"]


def test_starting_afresh_forgets(tmp_path):
    Results(tmp_path / "rows.csv", resume=False).add(ROW)
    assert ROW not in Results(tmp_path / "rows.csv", resume=False)


def test_the_report_tells_the_shares_and_leaves_a_dash_for_what_was_not_judged():
    text = document(Found([ROW, replace(ROW, electrons=4.0), replace(ROW, treatment="ours")]), "")
    assert "| raw | 71.2 (66–75) | 71.2 (66–75) |" in text
    assert "| denoised | 71.2 (66–75) | – |" in text


def test_a_section_takes_its_own_place_only(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- quality:begin -->\nold\n<!-- quality:end -->\nafter\n", encoding="utf-8")
    write_section("quality", "new\n", page)
    assert page.read_text() == "before\n<!-- quality:begin -->\nnew\n<!-- quality:end -->\nafter\n"


def test_the_plot_is_made_from_whatever_there_is(tmp_path):
    plot_shares(Found([ROW]), tmp_path / "shares.png")
    assert (tmp_path / "shares.png").stat().st_size > 0
