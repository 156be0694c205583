"""What a new file made from a template still needs, so that it looks and behaves as any other workbook of ours.

Everything is in it already (template.py, graft.py): this adds the marks by which sheets are known again, formats,
drop-downs and colours down to the last row, and what the file says of itself. What the template has stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from lxml import etree
from openpyxl.xml.functions import tostring

from mailflow.core.table import Workbook
from mailflow.sheets import style
from mailflow.sheets.create import LAST_ROW, skeleton
from mailflow.sheets.graft import list_of
from mailflow.sheets.layout import MARK, Layout, layouts
from mailflow.sheets.managed import find_headings
from mailflow.sheets.names import identifier
from mailflow.sheets.opened import OpenedWorkbook
from mailflow.sheets.order import place
from mailflow.sheets.package import Content, Package, serialise
from mailflow.sheets.part import Area, SheetPart
from mailflow.sheets.rows import column_letters
from mailflow.sheets.stylesheet import Styles

_FORMATS = {"text": 49, "long": 49, "date": 14, "datetime": 22}
"""Number formats for columns whose example has none, so that a date is no number, and text stays text."""


def dressed(data: bytes, workbook: Workbook, sheets: Sequence[Layout]) -> bytes:
    """`data` with all that is missing in these sheets of it."""
    return _Dressing(data, workbook, sheets).result()


class _Dressing:
    """What a file needs that everything is in, so that its rows look and behave as in any other workbook."""

    def __init__(self, data: bytes, workbook: Workbook, sheets: Sequence[Layout]) -> None:
        self._opened = OpenedWorkbook(data)
        self._workbook = workbook
        self._sheets = sheets
        path = self._opened.target(self._opened.path, "/styles")
        self._styles_path = path or "xl/styles.xml"
        self._styles_root = self._opened.package.xml(self._styles_path)
        self._styles = Styles(self._styles_root)

    def result(self) -> bytes:
        parts: dict[str, Content] = {}
        for layout, found in self._opened.found(self._sheets).items():
            part = self._opened.part(found)
            heading, columns = find_headings(layout, {}, part)
            self._name(part, layout)
            self._format(part, heading + 1, layout, columns)
            self._stretch(part, heading + 1)
            self._suggest(part, heading + 1, layout, columns)
            self._mark(part, heading + 1, columns)
            parts[found.path] = part.pieces()
        parts[self._styles_path] = serialise(self._styles_root)
        return _described(self._opened.package.patched(parts), self._workbook)

    def _name(self, part: SheetPart, layout: Layout) -> None:
        """The marker by which the sheet is known when somebody renames it."""
        properties = part.root.find(f"{part.ns}sheetPr")
        if properties is None:
            properties = place(part.root, etree.Element(f"{part.ns}sheetPr"))
        properties.set("codeName", identifier(layout.sheet.id))

    def _format(self, part: SheetPart, under: int, layout: Layout, columns: dict[str, int]) -> None:
        """Number formats for columns whose cell of styles has none."""
        cells = next(self._styles_root.iter(f"{part.ns}cellXfs"), ())
        formats = [xf.get("numFmtId", "0") for xf in cells]
        for column in layout.columns:
            number = _FORMATS.get(column.format)
            if number is None or column.field not in columns:
                continue
            cell = part.change(under).cells.get(column_letters(columns[column.field]))
            like = (cell.style if cell is not None else "") or part.column_style(columns[column.field]) or "0"
            if int(like) < len(formats) and formats[int(like)] == "0":
                part.put(under, columns[column.field], None, self._styles.formatted(like, number), anew=True)

    def _stretch(self, part: SheetPart, under: int) -> None:
        """Conditional formats and drop-downs that reach to the row of styles go on to all rows below."""
        for element in part.root.iter(f"{part.ns}conditionalFormatting", f"{part.ns}dataValidation"):
            areas = [Area.of(ref) for ref in (element.get("sqref") or "").split()]
            if any(area.bottom == under for area in areas):
                long = (area.to(under + LAST_ROW) if area.bottom == under else area for area in areas)
                element.set("sqref", " ".join(map(str, long)))

    def _suggest(self, part: SheetPart, under: int, layout: Layout, columns: dict[str, int]) -> None:
        """Drop-downs for the columns that have suggestions and none yet."""
        listed = part.root.find(f"{part.ns}dataValidations")
        areas = [
            Area.of(ref)
            for element in part.root.iter(f"{part.ns}dataValidation")
            if element.get("type") == "list"
            for ref in (element.get("sqref") or "").split()
        ]
        for column in layout.columns:
            at = columns.get(column.field, 0)
            there = any(a.left <= at <= a.right and a.top <= under <= a.bottom for a in areas)
            if at and not there and (said := list_of(column)):
                if listed is None:
                    listed = place(part.root, etree.Element(f"{part.ns}dataValidations"))
                listed.append(_suggestions(part, Area(under, at, under + LAST_ROW, at), said))
                listed.set("count", str(len(listed)))

    def _mark(self, part: SheetPart, under: int, columns: dict[str, int]) -> None:
        """Hides the column of marks, and colours rows by it, unless the template does so itself."""
        at = columns.get(MARK.field)
        if at is None:
            return  # and so the template is refused
        for element in part.root.iter(f"{part.ns}col"):
            if int(element.get("min", "0")) == at == int(element.get("max", "0")):
                element.set("hidden", "1")
        said = "".join(e.text or "" for e in part.root.iter(f"{part.ns}formula"))
        for mark, look in style.MARK_STYLES.items():
            if f'"{mark}"' not in said:
                dxf = etree.fromstring(tostring(look.to_tree(tagname="dxf")))
                number = self._styles.add_differential(dxf)
                right = max(columns.values())
                area = Area(under, min(columns.values()), under + LAST_ROW, right)
                place(part.root, _rule(part, area, f'${column_letters(at)}{under}="{mark}"', number))


def _suggestions(part: SheetPart, area: Area, said: str) -> etree._Element:
    new = etree.Element(f"{part.ns}dataValidation", type="list", allowBlank="1", sqref=str(area))
    etree.SubElement(new, f"{part.ns}formula1").text = said
    return new


def _rule(part: SheetPart, area: Area, formula: str, look: int) -> etree._Element:
    there = [int(rule.get("priority", "0")) for rule in part.root.iter(f"{part.ns}cfRule")]
    new = etree.Element(f"{part.ns}conditionalFormatting", sqref=str(area))
    rule = etree.SubElement(
        new, f"{part.ns}cfRule", type="expression", dxfId=str(look), priority=str(max(there, default=0) + 1)
    )
    etree.SubElement(rule, f"{part.ns}formula").text = formula
    return new


def _described(data: bytes, workbook: Workbook) -> bytes:
    """The file with what it says of itself: title, time, whose it is."""
    ours = Package(skeleton(workbook, layouts(workbook)))
    package = Package(data)
    parts: dict[str, Content] = {"docProps/core.xml": ours.read("docProps/core.xml")}
    custom = ours.xml("docProps/custom.xml")
    if "docProps/custom.xml" in package.names:
        theirs = package.xml("docProps/custom.xml")
        own = [p for p in theirs if not str(p.get("name", "")).startswith("mailflow-")]
        for number, element in enumerate([*own, *map(deepcopy, custom)], start=2):
            element.set("pid", str(number))
            if element not in own:
                own.append(element)
        theirs[:] = own
        custom = theirs
    parts["docProps/custom.xml"] = serialise(custom)
    types, rels = package.xml("[Content_Types].xml"), package.xml("_rels/.rels")
    given_types, given_rels = ours.xml("[Content_Types].xml"), ours.xml("_rels/.rels")
    for name in ("docProps/core.xml", "docProps/custom.xml"):
        if name not in package.names:
            types.append(next(e for e in given_types if e.get("PartName") == f"/{name}"))
            relation = next(e for e in given_rels if str(e.get("Target", "")).lstrip("/") == name)
            used = {e.get("Id") for e in rels}
            relation.set("Id", next(f"rId{n}" for n in range(1, 10_000) if f"rId{n}" not in used))
            rels.append(relation)
    parts["[Content_Types].xml"], parts["_rels/.rels"] = serialise(types), serialise(rels)
    return package.patched(parts)
