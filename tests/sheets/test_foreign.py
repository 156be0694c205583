"""What is not ours in a file is copied byte for byte: pictures, charts, threads, printer settings (workbooks.md §1)."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import openpyxl
from openpyxl.chart import BarChart, Reference

from tests.sheets.samples import SHEET, SHEET_PART, again, book, first, parts, path, repack, row

TABLE_PART = "xl/tables/table1.xml"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def _png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">2I5B", 2, 2, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\0\0\0\xff\0" * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _drawing() -> bytes:
    return (
        '<xdr:wsDr xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><xdr:oneCellAnchor><xdr:from><xdr:col>9'
        "</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>1</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:from>"
        '<xdr:ext cx="99999" cy="99999"/><xdr:pic><xdr:nvPicPr>'
        '<xdr:cNvPr id="2" name="图"/><xdr:cNvPicPr/></xdr:nvPicPr>'
        f'<xdr:blipFill><a:blip xmlns:r="{_OFFICE}" r:embed="rId1"/><a:stretch><a:fillRect/></a:stretch></xdr:blipFill>'
        '<xdr:spPr><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></xdr:spPr></xdr:pic><xdr:clientData/>'
        "</xdr:oneCellAnchor></xdr:wsDr>"
    ).encode()


def _relations(*relations: tuple[str, str, str]) -> bytes:
    inner = "".join(f'<Relationship Id="{i}" Type="{_OFFICE}/{kind}" Target="{t}"/>' for i, kind, t in relations)
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'<Relationships xmlns="{space}">{inner}</Relationships>'.encode()


def _enrich(folder: Path) -> None:
    """What people and their programs put into such files."""
    workbook = openpyxl.load_workbook(path(folder))
    own = workbook.create_sheet("我的统计")
    own.append(["月份", "次数"])
    own.append(["2026-11", 3])
    own["D1"] = f"=COUNTA('{SHEET}'!A2:A99)"
    chart = BarChart()
    chart.add_data(Reference(own, min_col=2, min_row=1, max_row=2), titles_from_data=True)
    own.add_chart(chart, "F2")
    workbook.save(path(folder))
    content = parts(path(folder))
    rels = "xl/worksheets/_rels/sheet1.xml.rels"
    sheet = content[SHEET_PART].decode()
    sheet = sheet.replace("<tableParts", f'<drawing xmlns:r="{_OFFICE}" r:id="rIdD"/><tableParts')
    sheet = sheet.replace("<worksheet ", '<worksheet xmlns:x14ac="http://x14ac.example" ', 1)
    content[SHEET_PART] = sheet.encode()
    content[rels] = content[rels].replace(
        b"</Relationships>",
        f'<Relationship Id="rIdD" Type="{_OFFICE}/drawing" Target="../drawings/drawing9.xml"/>'
        f'<Relationship Id="rIdP" Type="{_OFFICE}/printerSettings" Target="../printerSettings/printerSettings1.bin"/>'
        '<Relationship Id="rIdT" Type="http://schemas.microsoft.com/office/2017/10/relationships/threadedComment" '
        'Target="../threadedComments/threadedComment1.xml"/></Relationships>'.encode(),
    )
    content["[Content_Types].xml"] = content["[Content_Types].xml"].replace(
        b"</Types>",
        b'<Default Extension="png" ContentType="image/png"/><Default Extension="bin" ContentType="application/x"/>'
        b'<Override PartName="/xl/drawings/drawing9.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        b'drawing+xml"/></Types>',
    )
    content |= {
        "xl/drawings/drawing9.xml": _drawing(),
        "xl/drawings/_rels/drawing9.xml.rels": _relations(("rId1", "image", "../media/image1.png")),
        "xl/media/image1.png": _png(),
        "xl/printerSettings/printerSettings1.bin": bytes(range(256)),
        "xl/threadedComments/threadedComment1.xml": "<ThreadedComments><t>请跟进</t></ThreadedComments>".encode(),
        "xl/cellimages.xml": b"<etc:cellImages xmlns:etc='http://www.wps.example/etc'/>",
        "customXml/item1.xml": "<资料>中文</资料>".encode(),
        "中文名.txt": b"x",
    }
    repack(path(folder), content)


def _raw(file: Path) -> dict[str, bytes]:
    """The compressed bytes of every part, in order."""
    data = file.read_bytes()
    found = {}
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            lengths = struct.unpack_from("<2H", data, info.header_offset + 26)
            start = info.header_offset + 30 + sum(lengths)
            found[info.filename] = data[start : start + info.compress_size]
    return found


def test_all_other_parts_stay_byte_identical_and_in_order(tmp_path: Path) -> None:
    done = first(tmp_path)
    _enrich(tmp_path)
    before, before_parts = _raw(path(tmp_path)), parts(path(tmp_path))
    done = again(tmp_path, book(row(1, result="问题遗留"), row(2, "late"), row(3, "muted"), row(4)), done)
    assert (done.state, done.notes) == ("written", ())
    after, after_parts = _raw(path(tmp_path)), parts(path(tmp_path))
    assert list(after) == list(before)
    # the workbook part asks for recalculation, since a person's sheet counts our rows
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {SHEET_PART, TABLE_PART, "xl/workbook.xml"}
    assert b'<drawing xmlns:r="' in after_parts[SHEET_PART]
    assert b'xmlns:x14ac="http://x14ac.example"' in after_parts[SHEET_PART]
    assert before_parts["xl/media/image1.png"] == after_parts["xl/media/image1.png"]
    with zipfile.ZipFile(path(tmp_path)) as archive:
        assert archive.testzip() is None


def test_an_update_without_new_rows_touches_the_sheet_alone(tmp_path: Path) -> None:
    done = first(tmp_path)
    before = _raw(path(tmp_path))
    again(tmp_path, book(row(1, result="问题遗留"), row(2, "late"), row(3, "muted")), done)
    after = _raw(path(tmp_path))
    assert {name for name in before if before[name] != after[name]} == {SHEET_PART}


def test_a_streamed_zip_is_copied_too(tmp_path: Path) -> None:
    """Some programs write sizes behind the data; in the copy they stand in front."""
    done = first(tmp_path)
    content = parts(path(tmp_path))

    class Pipe:
        def __init__(self) -> None:
            self.data = b""

        def write(self, data: bytes) -> int:
            self.data += data
            return len(data)

        def flush(self) -> None:
            return

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name, data in content.items():
            archive.writestr(name, data)
    path(tmp_path).write_bytes(pipe.data)
    assert again(tmp_path, book(row(1), row(2), row(3), row(4)), done).state == "written"
    with zipfile.ZipFile(path(tmp_path)) as archive:
        assert archive.testzip() is None
