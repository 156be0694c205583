"""Files for people: workbook, form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mailflow.cli.language import say
from mailflow.cli.options import Config, Now, instant_of, need_store, not_before, open_app
from mailflow.errors import UserError

_RESET_HELP = say("reset 或 template", "reset or template")
_WORKBOOK_HELP = say(
    "reset：文件名，如 项目跟踪表-李四.xlsx；template：哪一种，如 项目跟踪表",
    "reset: its file name, as in mailflow list workbooks; template: the kind of workbook",
)
_TEMPLATE_FILE_HELP = say(
    "template：写到哪里（默认是模板目录的 workbooks 里）", "template: where to write it (default: where it is used)"
)
_FORM_HELP = say("表单的名称，如 服务单；不写就列出有哪些", "name of the form; without one they are listed")
_FORM_FILE_HELP = say("写到哪里（默认是当前目录的 名称.xlsx）", "where to write it (default: NAME.xlsx here)")
_FORM_ALL_HELP = say("把所有表单写到这个目录", "write all forms into this folder")


def workbook(
    action: Annotated[str, typer.Argument(metavar=say("动作", "ACTION"), help=_RESET_HELP)],
    name: Annotated[str, typer.Argument(metavar=say("工作簿", "NAME"), help=_WORKBOOK_HELP)],
    file: Annotated[
        Path | None, typer.Argument(metavar=say("文件.xlsx", "FILE.xlsx"), help=_TEMPLATE_FILE_HELP)
    ] = None,
    config: Config = None,
    now: Now = None,
) -> None:
    if action not in ("reset", "template"):
        raise UserError(say(f"不认识 {action}，应是 reset 或 template", f"unknown: {action}; reset or template"))
    app = open_app(config)
    if action == "template":
        kind = name.removesuffix(".xlsx")
        target = file or app.templates / f"{kind}.xlsx"
        _write_new(target, app.template(kind))
        print(f"已写到 {target}。改好以后放在 {app.templates}，用 mailflow check 检查；只用于以后新做的文件。")
        return
    need_store(app)
    aside = app.reset_workbook(f"{name.removesuffix('.xlsx')}.xlsx", not_before(app, instant_of(app, now)))
    print(f"旧文件已改名为 {aside}。" if aside else "原来没有文件。")
    try:
        with app.exclusive():
            app.publish_now(not_before(app, instant_of(app, now)))
        print("新的一本已经做好。")
    except UserError:
        print("守护进程会在几秒内做好新的一本。")


def form(
    name: Annotated[str | None, typer.Argument(metavar=say("表单", "FORM"), help=_FORM_HELP)] = None,
    file: Annotated[Path | None, typer.Argument(metavar=say("文件.xlsx", "FILE.xlsx"), help=_FORM_FILE_HELP)] = None,
    all_: Annotated[Path | None, typer.Option("--all", metavar=say("目录", "DIR"), help=_FORM_ALL_HELP)] = None,
    config: Config = None,
) -> None:
    from mailflow.sheets.names import file_name

    forms = open_app(config).forms()
    if all_ is not None:
        all_.mkdir(parents=True, exist_ok=True)
        for one, content in forms.items():
            _write_new(all_ / file_name(one), content)
        print(say(f"已写出 {len(forms)} 张表单。", f"{len(forms)} forms written."))
        return
    if name is None:
        print("\n".join(forms))
        return
    if name not in forms:
        raise UserError(say(f"没有叫“{name}”的表单，可用的：", f"no form {name}; one of: ") + "、".join(forms))
    target = file or Path(file_name(name))
    _write_new(target, forms[name])
    print(say(f"已写到 {target}。", f"written to {target}."))


def _write_new(path: Path, content: bytes) -> None:
    """Writes a file that is not there yet: nobody's work is lost by a command given twice."""
    if path.suffix.lower() != ".xlsx":
        raise UserError(say(f"{path} 应是 .xlsx 文件", f"{path} should end in .xlsx"))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(path, "xb") as file:
            file.write(content)
    except FileExistsError:
        raise UserError(say(f"{path} 已经有了，请先移走", f"{path} is there already"), code=1) from None
