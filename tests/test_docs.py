"""The docs say what is there: links resolve, and each command, setting, term, problem, failpoint and metric stands in its reference page."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel

from gateway import exits
from gateway.__main__ import app
from gateway.doors.problems import KINDS
from gateway.failpoints import POINTS
from gateway.operations import OVERRIDES
from gateway.settings import Settings, read_settings
from gateway.store.tables import metadata
from partners.guides import shipped_guides
from partners.profile import Profile, read_profile
from translators.x12.options import LENIENCIES

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docker").rglob("*.md")])
LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
OURS = re.compile(r"`((?:gateway|partners|translators|mappings|tests|docs|requirements)/[\w./-]*\w\.\w+)`")


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """What a heading is called in a link: small letters, blanks as dashes, other signs left out."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> Iterator[str]:
    for link in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        place, _, anchor = link.partition("#")
        if re.match(r"https?://|mailto:", place):
            continue
        target = (path.parent / place).resolve() if place else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_and_files_named_are_there(path: Path):
    assert not list(broken_links(path))
    named = [name for name in OURS.findall(path.read_text(encoding="utf-8")) if not re.search(r"[A-Z]{3}", name)]
    assert not [name for name in named if not (ROOT / name).exists()]


def test_pages_that_the_code_names_are_there():
    named = {
        (path.relative_to(ROOT).as_posix(), name)
        for house in ("gateway", "partners", "translators", "benchmarks")
        for path in (ROOT / house).rglob("*.py")
        for name in re.findall(r"(?<![\w/.{}-])[a-z][\w/-]*\.md\b", path.read_text(encoding="utf-8"))
        if not name.endswith("/KIND.md")
    }
    assert any(name == "docs/reference/profile.md" for _, name in named)
    assert not [one for one in named if not (ROOT / one[1]).exists()]


def commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for key, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {key}")
        else:
            yield f"{name} {key}", command


def test_every_command_and_option_is_described():
    text = page("cli.md")
    missing = []
    for name, command in commands(typer.main.get_command(app), "crossdock"):
        missing += [name] if name not in text else []
        options = [one for parameter in command.params for one in parameter.opts if one.startswith("--") and one != "--help"]
        missing += [f"{name} {option}" for option in options if f"`{option}" not in text]
    assert not missing


def test_every_exit_code_is_described():
    assert not [name for name, code in vars(exits).items() if name.isupper() and f"| {code} | {name} |" not in page("cli.md")]


def test_every_override_is_described():
    assert not [name for name in OVERRIDES if f"--override {name}" not in page("cli.md")]


def models(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models that a field holds, each with what stands between its name and theirs."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    elif annotation is not None and not isinstance(annotation, UnionType):
        between = ".NAME" if getattr(annotation, "__origin__", None) is dict else ""
        yield from ((between, found) for one in get_args(annotation) for _, found in models(one))


def terms(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = list(models(field.annotation))
        if not inner or any("NAME" not in between for between, _ in inner):
            yield above + name
        for between, found in inner:
            yield from terms(found, f"{above}{name}{between}.")


def test_every_guide_that_ships_is_described():
    book = shipped_guides()
    rows = [(name, guide.title, guide.functional, ", ".join(book.releases(name))) for name in book.sets() if (guide := book.guide(name, "005010"))]
    assert re.findall(r"^\| ([0-9]{3}) \| (.+) \| ([A-Z]{2}) \| ([0-9, ]+) \|$", page("guides.md"), re.M) == rows


def test_every_setting_is_described():
    groups = {"partner_listener", "admin_listener", "erp_listener", "sftp_listener", "limits", "retries", "alarms", "breaker"}
    assert not [name for name in terms(Settings) if name not in groups and f"`{name}`" not in page("settings.md")]


def test_every_term_of_a_profile_is_described():
    text = page("profile.md")
    missing = [name for name in terms(Profile) if not re.search(rf"`(?:[\w.]+\.)?{name.rpartition('.')[2]}[`:]", text)]
    assert not missing


@pytest.mark.parametrize(
    ("names", "file"),
    [
        (LENIENCIES, REFERENCE / "profile.md"),
        (KINDS, REFERENCE / "http.md"),
        (POINTS, ROOT / "ARCHITECTURE.md"),
        (re.findall(r'"(crossdock_\w+)"', (ROOT / "gateway" / "metrics.py").read_text(encoding="utf-8")), REFERENCE / "metrics.md"),
    ],
    ids=["leniencies", "problems", "failpoints", "metrics"],
)
def test_every_name_has_its_row(names: Any, file: Path):
    text = file.read_text(encoding="utf-8")
    assert list(names)
    assert not [name for name in names if f"| `{name}` |" not in text]


def test_every_table_of_the_store_is_described():
    listed = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("**Tables**")[2].partition("**Lanes.**")[0]
    described = {name for row in re.findall(r"^\| (`.+?`) \|", listed, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert described == set(metadata.tables)


def test_every_step_of_the_journal_is_named():
    steps = re.findall(r'_line\(\s*"([\w ]+)"', (ROOT / "gateway" / "journal.py").read_text(encoding="utf-8"))
    text = (ROOT / "docs" / "how-to" / "operate.md").read_text(encoding="utf-8").partition("## The journal")[2].partition("\n## ")[0]
    assert len(steps) > 10
    assert not [step for step in steps if f"`{step}`" not in text]


def broken_tables(text: str) -> Iterator[int]:
    """The line of each heading that stands right under a row, and of each row that an empty line cuts off from its table."""
    lines = [*FENCE.sub(lambda code: "\n" * code[0].count("\n"), text).splitlines(), ""]
    for number in range(1, len(lines) - 1):
        above, line, below = lines[number - 1 : number + 2]
        begins = bool(re.match(r"\|[-:| ]+\|$", below))
        if (line.startswith("#") and above.startswith("|")) or (line.startswith("|") and not above.startswith("|") and not begins):
            yield number + 1


def test_tables_are_whole():
    good = "| a | b |\n|---|---|\n| c | d |\n"
    assert not list(broken_tables(f"\n{good}\n# Next\n\n{good}"))
    assert list(broken_tables(f"{good}\n| e | f |\n\n{good}# Next\n")) == [5, 10]
    assert not [(path.relative_to(ROOT).as_posix(), found) for path in PAGES if (found := list(broken_tables(path.read_text(encoding="utf-8"))))]


def test_the_compose_trials_profiles_fit_their_tokens():
    compose = (ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8")
    for file in sorted((ROOT / "docker" / "profiles").glob("*.yaml")):
        profile = read_profile(file.read_text(encoding="utf-8"), file.name)
        token = re.search(rf"CROSSDOCK_PARTNER_TOKEN: ({profile.partner}-\S+)}}", compose)
        assert token
        assert [one.sha256 for one in profile.identities.tokens] == [hashlib.sha256(token[1].encode()).hexdigest()]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.three.yaml"])
def test_the_compose_trials_settings_can_be_used(name: str):
    text = (ROOT / "docker" / name).read_text(encoding="utf-8")
    given = dict(re.findall(r"^ +(CROSSDOCK_(?!PARTNER_TOKEN)\w+): (\S+)", text, re.M))
    settings = read_settings(None, {}, given)
    assert settings.database == "postgresql://crossdock:crossdock-trial@postgres/crossdock"
    assert (settings.payloads is not None) == (name == "compose.three.yaml")


YAML_OF_A_PROFILE = re.compile(r"^```yaml\n((?:# [^\n]*\n)?partner: .*?)^```|<<'END'\n(partner: .*?)^END", re.M | re.S)


def test_profiles_shown_in_the_docs_can_be_used():
    shown = [one[0] or one[1] for path in PAGES for one in YAML_OF_A_PROFILE.findall(path.read_text(encoding="utf-8"))]
    assert len(shown) >= 3
    for text in shown:
        assert read_profile(text).agreements
