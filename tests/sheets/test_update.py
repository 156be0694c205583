"""What a person wrote in a workbook survives (promise 8); our cells become what is wanted."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from openpyxl.styles import PatternFill
from openpyxl.worksheet.worksheet import Worksheet

from mailflow.sheets.edits import CellAnswer
from mailflow.sheets.merge import LEFT
from mailflow.sheets.publish import Looked, look, publish
from tests.sheets.samples import (
    PROBLEMS,
    SHEET_PART,
    again,
    book,
    by_person,
    by_xml,
    column,
    first,
    formulas,
    opened,
    parts,
    path,
    repack,
    row,
    table,
)


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    done = first(tmp_path)
    done = again(tmp_path, book(row(1), row(2, "late", result="问题遗留"), row(3, "muted"), row(4)), done)
    assert (done.state, done.notes) == ("written", ())
    assert column(tmp_path, "编号") == ["R1", "R2", "R3", "R4"]
    assert column(tmp_path, "沟通结果") == ["成功", "问题遗留", "成功", "成功"]


def test_the_second_publish_leaves_bytes_and_time_alone(tmp_path: Path) -> None:
    done = first(tmp_path)
    before = (path(tmp_path).read_bytes(), path(tmp_path).stat())
    for last_hash in (done.content_hash, None):
        same = publish(tmp_path, book(), done.base, last_hash=last_hash)
        assert (same.state, same.base, same.content_hash) == ("unchanged", done.base, done.content_hash)
    after = path(tmp_path).stat()
    assert path(tmp_path).read_bytes() == before[0]
    assert (after.st_mtime_ns, after.st_ino) == (before[1].st_mtime_ns, before[1].st_ino)


def test_a_resaved_file_without_changes_is_left_alone(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: None)
    before = path(tmp_path).read_bytes()
    same = again(tmp_path, book(), done)
    assert (same.state, same.notes) == ("unchanged", ())
    assert path(tmp_path).read_bytes() == before


def test_appended_rows_look_like_the_others_not_like_a_coloured_one(tmp_path: Path) -> None:
    done = first(tmp_path)

    def highlight(ws: Worksheet) -> None:
        for cell in ws[4]:
            cell.fill = PatternFill("solid", fgColor="FFFF00")

    by_person(tmp_path, highlight)
    again(tmp_path, book(row(1), row(2), row(3), row(4)), done)
    ws = opened(tmp_path)
    assert ws["D4"].fill.fgColor.rgb == "00FFFF00"
    assert ws["D5"].fill.fgColor.rgb == ws["D2"].fill.fgColor.rgb != "00FFFF00"
    assert (ws["B5"].number_format, ws["D5"].quotePrefix) == ("yyyy\\-mm\\-dd", True)


def test_a_machine_cell_changed_by_hand_is_restored_and_told(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.__setitem__("E3", "随便"))
    done = again(tmp_path, book(), done)
    assert done.notes == ("《支持记录》第 3 行（编号 R2）“沟通结果”被手工改为“随便”，已恢复为“成功”",)
    assert column(tmp_path, "沟通结果") == ["成功"] * 3
    assert again(tmp_path, book(), done).notes == ()


def test_a_date_changed_by_hand_is_told_as_a_date(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.__setitem__("B2", None))
    [note] = again(tmp_path, book(), done).notes
    assert note.endswith("“支持日期”被手工改为空，已恢复为“2026-11-01”")


def test_a_formula_in_a_machine_cell_is_taken_out(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.__setitem__("F3", "=1/2+1/2"))
    done = again(tmp_path, book(), done)
    assert "改为公式，已恢复为“1”" in done.notes[0]
    assert formulas(path(tmp_path)) == []


def test_peoples_columns_notes_and_colours_survive(tmp_path: Path) -> None:
    done = first(tmp_path)

    def edit(ws: Worksheet) -> None:
        ws["G2"], ws["G3"] = "已电话确认", "=SUM(F2:F4)"
        ws["J1"], ws["J2"], ws["J4"] = "我的列", "客户很急", 42
        ws["J2"].fill = PatternFill("solid", fgColor="00FF00")
        ws["L9"] = "表下面的话"

    by_person(tmp_path, edit)
    done = again(tmp_path, book(row(1, "late"), row(2), row(3, hours=7.5), row(4, remark="初值")), done)
    assert done.state == "written"
    ws = opened(tmp_path)
    assert [ws[a].value for a in ("G2", "G3", "J1", "J2", "J4", "L9")] == [
        "已电话确认", "=SUM(F2:F4)", "我的列", "客户很急", 42, "表下面的话",
    ]  # fmt: skip
    assert ws["J2"].fill.fgColor.rgb == "0000FF00"
    assert (ws["F4"].value, ws["I2"].value) == (7.5, "逾期")
    assert (ws["A10"].value, ws["G10"].value) == ("R4", "初值"), "new rows stand below everything that is there"


def test_columns_are_found_wherever_people_moved_them(tmp_path: Path) -> None:
    done = first(tmp_path)

    def edit(ws: Worksheet) -> None:
        rows = list(ws.iter_rows(values_only=True))
        del ws.tables["mf_supports"]
        order = [3, 0, None, 5, 4, 7, 6, 2, 1, 8]
        for r, cells in enumerate(rows, start=1):
            for c, source in enumerate(order, start=1):
                ws.cell(r, c).value = f"自己的{r}" if source is None else cells[source]

    by_person(tmp_path, edit)
    done = again(tmp_path, book(row(1), row(2, result="问题遗留"), row(3, "muted"), row(4)), done)
    assert (done.state, done.notes) == ("written", ())
    ws = opened(tmp_path)
    assert [cell.value for cell in ws["C"]] == ["自己的1", "自己的2", "自己的3", "自己的4", None]
    assert [cell.value for cell in ws["E"]] == ["沟通结果", "成功", "问题遗留", "成功", "成功"]
    assert ws["A5"].value == PROBLEMS[1]


def test_rows_are_found_wherever_people_sorted_them(tmp_path: Path) -> None:
    done = first(tmp_path)

    def edit(ws: Worksheet) -> None:
        ws["G2"], ws["G3"], ws["G4"] = "一", "二", "三"
        rows = [[cell.value for cell in cells] for cells in ws["A2:I4"]]
        for r, cells in zip((4, 2, 3), rows, strict=True):
            for c, value in enumerate(cells, start=1):
                ws.cell(r, c).value = value

    by_person(tmp_path, edit)
    done = again(tmp_path, book(row(1, hours=8.0), row(2, "late"), row(3, "muted")), done)
    assert (done.state, done.notes) == ("written", ())
    assert [(r["编号"], r["备注"], r["耗时"]) for r in table(tmp_path)] == [
        ("R2", "二", 1), ("R3", "三", 1.5), ("R1", "一", 8),
    ]  # fmt: skip


def test_titles_above_the_headings_do_no_harm(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(
        tmp_path,
        lambda ws: ws.tables.clear(),
        lambda ws: ws.insert_rows(1, 3),
        lambda ws: ws.__setitem__("A1", "本部门跟踪表"),
    )
    assert again(tmp_path, book(row(1), row(2), row(3), row(4)), done).state == "written"
    assert column(tmp_path, "编号") == ["R1", "R2", "R3", "R4"]


def test_a_renamed_sheet_is_known_by_its_marker(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: setattr(ws, "title", "我的支持"))
    assert again(tmp_path, book(row(1), row(2), row(3), row(4)), done).state == "written"
    assert len(table(tmp_path, "我的支持")) == 4


def test_a_renamed_sheet_without_marker_is_known_by_its_headings(tmp_path: Path) -> None:
    done = first(tmp_path)

    def edit(ws: Worksheet) -> None:
        ws.title = "我的支持"
        ws.sheet_properties.codeName = None
        other = ws.parent.create_sheet("别的", 0)  # type: ignore[union-attr]
        other.append(["编号", "备注"])

    by_person(tmp_path, edit)
    assert again(tmp_path, book(row(1), row(2), row(3), row(4)), done).state == "written"
    assert len(table(tmp_path, "我的支持")) == 4


def test_a_deleted_row_stays_deleted_and_is_told_once(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.delete_rows(3))
    done = again(tmp_path, book(), done)
    assert (done.state, done.notes) == ("unchanged", ("《支持记录》编号 R2 的行已被手工删除，不再写回",))
    done = again(tmp_path, book(row(1), row(2, result="问题遗留"), row(3, "muted"), row(4)), done)
    assert (done.state, done.notes) == ("written", ())
    assert column(tmp_path, "编号") == ["R1", "R3", "R4"]


def test_a_deleted_row_that_a_person_brings_back_lives_again(tmp_path: Path) -> None:
    done = first(tmp_path)
    saved = path(tmp_path).read_bytes()
    by_person(tmp_path, lambda ws: ws.delete_rows(3))
    done = again(tmp_path, book(), done)
    path(tmp_path).write_bytes(saved)
    done = again(tmp_path, book(row(1), row(2, result="问题遗留"), row(3, "muted")), done)
    assert (done.state, done.notes) == ("written", ())
    assert column(tmp_path, "沟通结果") == ["成功", "问题遗留", "成功"]


def test_a_row_that_left_the_view_says_only_that_and_keeps_what_people_wrote(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.__setitem__("G3", "备忘"))
    done = again(tmp_path, book(row(1), row(3, "muted")), done)
    assert done.notes == ("《支持记录》第 3 行（编号 R2）已不属于本表，内容已清除，您填写的保留",)
    assert [(r["编号"], r["系统标记"]) for r in table(tmp_path)] == [("R1", None), ("R2", "不计"), ("R3", "不计")]
    said = {text for text in table(tmp_path)[1].values() if text is not None}
    assert said == {"R2", "不计", "备忘", LEFT}
    assert again(tmp_path, book(row(1), row(3, "muted")), done).state == "unchanged"
    done = again(tmp_path, book(), done)
    assert (done.notes, column(tmp_path, "系统标记")) == ((), [None, "逾期", "不计"])


def test_many_rows_that_leave_at_once_are_nobodys_doing(tmp_path: Path) -> None:
    many = tuple(row(number) for number in range(1, 29))
    done = again(tmp_path, book(*many), first(tmp_path))
    done = again(tmp_path, book(row(1)), done)
    assert done.state == "written"
    assert {edit.kind for edit in done.edits} == {"moved"}


def test_a_persons_own_row_is_left_alone_and_told_once(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.append(["我的", None, None, "自己记的"]))
    done = again(tmp_path, book(row(1), row(2, "late"), row(3, "muted"), row(4)), done)
    assert done.notes == ("《支持记录》第 5 行（编号 我的）不是系统写入的行，保留原样",)
    assert column(tmp_path, "编号") == ["R1", "R2", "R3", "我的", "R4"]
    assert again(tmp_path, book(row(1)), done).notes[0].startswith("《支持记录》第 3 行（编号 R2）已不属于本表")


@pytest.mark.parametrize("typed", ["打错了", None])
def test_an_overwritten_key_is_restored_when_the_row_is_still_known(tmp_path: Path, typed: str | None) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.__setitem__("A3", typed), lambda ws: ws.__setitem__("G3", "备忘"))
    done = again(tmp_path, book(), done)
    assert len(done.notes) == 1
    assert "“编号”被手工改为" in done.notes[0]
    assert [(r["编号"], r["备注"]) for r in table(tmp_path)] == [("R1", None), ("R2", "备忘"), ("R3", None)]


def test_a_deleted_column_is_told_once_and_the_others_go_on(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.tables.clear(), lambda ws: ws.delete_cols(5))
    done = again(tmp_path, book(row(1, hours=8.0), row(2), row(3), row(4)), done)
    assert len(done.notes) == 1
    assert done.notes[0].startswith("《支持记录》缺少列“沟通结果”，其余列照常更新")
    assert column(tmp_path, "耗时") == [8, 1, 1.5, 2]
    assert again(tmp_path, book(row(1), row(2), row(3), row(4)), done).notes == ()


def test_many_notes_are_counted_not_listed(tmp_path: Path) -> None:
    wanted = book(*(row(number) for number in range(1, 29)))
    done = first(tmp_path, wanted)
    by_person(tmp_path, *(lambda ws, r=r: ws.__setitem__(f"E{r}", "x") for r in range(2, 30)))
    notes = again(tmp_path, wanted, done).notes
    assert len(notes) == 21
    assert notes[-1] == "《支持记录》另有 8 处类似情况"


def test_answers_are_read_back_once_and_never_overwritten(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.__setitem__("H3", " 同意 "), lambda ws: ws.__setitem__("H4", 2))
    expected = (CellAnswer("supports", "R2", "decision", "同意"), CellAnswer("supports", "R3", "decision", "2"))
    assert look(tmp_path, book(), done.base).answers == expected
    done = again(tmp_path, book(row(1), row(2, "late", decision="驳回"), row(3, "muted")), done)
    assert (done.state, done.answers) == ("unchanged", expected)
    assert look(tmp_path, book(), done.base).answers == ()
    assert column(tmp_path, "决定") == [None, " 同意 ", 2]
    by_person(tmp_path, lambda ws: ws.__setitem__("H3", "驳回"))
    assert [answer.text for answer in look(tmp_path, book(), done.base).answers] == ["驳回"]


def test_the_first_value_of_an_answer_is_no_answer(tmp_path: Path) -> None:
    done = first(tmp_path, book(row(1, decision="同意")))
    assert column(tmp_path, "决定") == ["同意"]
    assert look(tmp_path, book(row(1)), done.base).answers == ()


def test_answers_of_a_missing_or_broken_file_are_none(tmp_path: Path) -> None:
    done = first(tmp_path)
    path(tmp_path).write_bytes(b"PK\3\4")
    assert look(tmp_path, book(), done.base).answers == ()
    path(tmp_path).unlink()
    assert look(tmp_path, book(), done.base).answers == ()


def test_another_workbook_that_was_saved_over_it_is_no_version_of_it(tmp_path: Path) -> None:
    """Else all rows would count as deleted by hand, and never come back."""
    done = first(tmp_path)
    another = tmp_path / "other"
    publish(another, replace(book(row(7)), name="项目跟踪表-李四.xlsx"), None, last_hash=None)
    shutil.copy(another / "项目跟踪表-李四.xlsx", path(tmp_path))
    before = path(tmp_path).read_bytes()
    blocked = again(tmp_path, book(row(1), row(2)), done)
    assert (blocked.state, blocked.code, blocked.base) == ("blocked", "unsafe", done.base)
    assert "项目跟踪表-李四.xlsx" in blocked.reason
    assert look(tmp_path, book(), done.base) == Looked()
    assert path(tmp_path).read_bytes() == before


def _shared_strings(folder: Path) -> None:
    """The sheet as Excel saves it: shared strings with runs and readings, no row numbers, booleans, typed dates."""
    content = parts(path(folder))
    xml = content[SHEET_PART].decode()
    xml = xml.replace(
        '<c r="A2" s="4" t="inlineStr"><is><t xml:space="preserve">R1</t></is></c>', '<c r="A2" t="s"><v>0</v></c>'
    )
    xml = xml.replace("<v>46327</v>", "<v>46327.0</v>", 1)
    xml = re.sub(r'<row r="\d+"', "<row", xml)
    xml = re.sub(r'<c r="[A-Z]+\d+"', "<c", xml)
    strings = (
        '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" count="1" uniqueCount="1"><si>'
        '<r><t>R</t></r><r><rPr><b/></rPr><t>1</t></r><rPh sb="0" eb="1"><t>アール</t></rPh></si></sst>'
    )
    rels = (
        content["xl/_rels/workbook.xml.rels"]
        .decode()
        .replace(
            "</Relationships>",
            '<Relationship Id="rIdS" Target="sharedStrings.xml" Type="http://schemas.openxmlformats.org/officeDocument/'
            '2006/relationships/sharedStrings"/></Relationships>',
        )
    )
    types = (
        content["[Content_Types].xml"]
        .decode()
        .replace(
            "</Types>",
            '<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.'
            'spreadsheetml.sharedStrings+xml"/></Types>',
        )
    )
    content |= {SHEET_PART: xml.encode(), "xl/sharedStrings.xml": strings.encode()}
    content |= {"xl/_rels/workbook.xml.rels": rels.encode(), "[Content_Types].xml": types.encode()}
    repack(path(folder), content)


def test_shared_strings_rich_text_and_cells_without_references_are_understood(tmp_path: Path) -> None:
    done = first(tmp_path)
    _shared_strings(tmp_path)
    done = again(tmp_path, book(row(1, result="问题遗留"), row(2, "late"), row(3, "muted")), done)
    assert (done.state, done.notes) == ("written", ())
    assert column(tmp_path, "编号") == ["R1", "R2", "R3"]
    assert column(tmp_path, "沟通结果")[0] == "问题遗留"


def test_other_prefixes_of_the_namespace_are_kept(tmp_path: Path) -> None:
    done = first(tmp_path)

    def prefixed(xml: str) -> str:
        xml = re.sub(r"<(/?)(?!\?)(?=[a-zA-Z])", r"<\1x:", xml)
        return xml.replace("xmlns=", "xmlns:x=", 1)

    by_xml(tmp_path, prefixed)
    assert again(tmp_path, book(row(1), row(2), row(3), row(4)), done).state == "written"
    assert b'<x:row r="5"' in parts(path(tmp_path))[SHEET_PART]
    assert len(table(tmp_path)) == 4


def test_a_total_row_of_the_table_is_not_swallowed(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_xml(
        tmp_path,
        lambda x: x.replace('headerRowCount="1"', 'headerRowCount="1" totalsRowCount="1"'),
        "xl/tables/table1.xml",
    )
    assert again(tmp_path, book(row(1), row(2), row(3), row(4)), done).state == "written"
    assert b'ref="A1:I4"' in parts(path(tmp_path))["xl/tables/table1.xml"]


def test_a_filter_in_place_of_the_table_grows_with_its_name(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.tables.clear(), lambda ws: setattr(ws.auto_filter, "ref", "A1:I4"))
    assert again(tmp_path, book(row(1), row(2), row(3), row(4)), done).state == "written"
    content = parts(path(tmp_path))
    assert b'<autoFilter ref="A1:I5"' in content[SHEET_PART]
    assert "$A$1:$I$5" in content["xl/workbook.xml"].decode()


def test_sums_over_our_cells_are_worked_out_anew(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.__setitem__("K1", "=SUM(F2:F4)"))
    by_xml(
        tmp_path,
        lambda x: re.sub("<f>SUM.F2:F4.</f>(<v ?/>)?(</v>|<v></v>)?", "<f>SUM(F2:F4)</f><v>3</v>", x),
    )
    again(tmp_path, book(row(1, hours=9.0), row(2), row(3)), done)
    content = parts(path(tmp_path))
    assert b"<f>SUM(F2:F4)</f></c>" in content[SHEET_PART]
    assert b'fullCalcOnLoad="1"' in content["xl/workbook.xml"]


def test_a_calculation_chain_that_names_a_lost_formula_is_taken_out(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.__setitem__("F3", "=1"))
    content = parts(path(tmp_path))
    content["xl/calcChain.xml"] = (
        b'<calcChain xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><c r="F3" i="1"/></calcChain>'
    )
    rel = '<Relationship Id="rIdC" Target="calcChain.xml" Type="http://a.example/calcChain"/>'
    override = '<Override PartName="/xl/calcChain.xml" ContentType="application/x"/>'
    for name, end, new in (
        ("xl/_rels/workbook.xml.rels", "</Relationships>", rel),
        ("[Content_Types].xml", "</Types>", override),
    ):
        content[name] = content[name].decode().replace(end, new + end).encode()
    repack(path(tmp_path), content)
    assert again(tmp_path, book(), done).state == "written"
    after = parts(path(tmp_path))
    assert "xl/calcChain.xml" not in after
    assert not any(b"calcChain" in data for data in after.values())


def test_a_file_without_base_is_adopted(tmp_path: Path) -> None:
    first(tmp_path)
    by_person(tmp_path, lambda ws: ws.__setitem__("G2", "备忘"))
    done = publish(tmp_path, book(row(1, hours=9.0), row(2), row(3), row(4)), None, last_hash=None)
    assert (done.state, done.notes) == ("written", ())
    assert [(r["备注"], r["耗时"]) for r in table(tmp_path)] == [("备忘", 9), (None, 1), (None, 1.5), (None, 2)]


def _blocked(folder: Path, done: object, because: str) -> None:
    before = path(folder).read_bytes()
    result = publish(folder, book(row(1, hours=9.0), row(4)), done.base, last_hash=None)  # type: ignore[attr-defined]
    assert (result.state, result.code, result.base) == ("blocked", "unsafe", done.base)  # type: ignore[attr-defined]
    assert because in result.reason
    assert path(folder).read_bytes() == before


def test_what_cannot_be_patched_for_certain_is_not_touched(tmp_path: Path) -> None:
    def case(name: str, edit: object, because: str) -> None:
        folder = tmp_path / name
        done = first(folder)
        by_person(folder, edit)  # type: ignore[arg-type]
        _blocked(folder, done, because)

    case("no headings", lambda ws: ws.delete_rows(1), "找不到标题行")
    case("no key column", lambda ws: ws.delete_cols(1), "找不到标题行或“编号”列")
    case("row copied", lambda ws: ws.append([cell.value for cell in ws[2]]), "编号 R1 出现了不止一行")
    case("column copied", lambda ws: ws.__setitem__("K1", "耗时"), "有两列都叫“耗时”")
    case("merged", lambda ws: ws.merge_cells("B2:C2"), "B2:C2 是合并单元格")
    case("sheet gone", lambda ws: ws.parent.remove(ws), "工作表“支持记录”不见了")
    case("far away", lambda ws: ws.__setitem__("XFD1048576", 1), "很远的行或列")


def test_merged_cells_that_are_not_ours_do_no_harm(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_person(tmp_path, lambda ws: ws.merge_cells("K1:M3"), lambda ws: ws.merge_cells("A8:D9"))
    assert again(tmp_path, book(row(1), row(2), row(3), row(4)), done).state == "written"
    assert opened(tmp_path)["A10"].value == "R4"


def test_a_formula_shared_with_a_persons_cells_is_not_taken_apart(tmp_path: Path) -> None:
    done = first(tmp_path)
    by_xml(
        tmp_path,
        lambda x: x.replace("<v>0.5</v>", '<f t="shared" ref="F2:F3" si="0">1+1</f><v>2</v>').replace(
            '<c r="G2" s="9"/>', '<c r="G2" s="9"><f t="shared" si="0"/><v>2</v></c>'
        ),
    )
    _blocked(tmp_path, done, "成片的公式")


def test_values_of_other_rows_do_not_leak_when_the_view_shrinks(tmp_path: Path) -> None:
    done = first(tmp_path)
    nothing = replace(book(), sheets=tuple(replace(s, rows=()) for s in book().sheets))
    done = publish(tmp_path, nothing, done.base, last_hash=None)
    assert (done.state, len(table(tmp_path))) == ("written", 3)
