"""The house rules (ARCHITECTURE.md, "The laws"), held by reading the imports. A failure names file and import."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
HOUSES = ("gateway", "partners", "translators")
BELOW = {"gateway": set(HOUSES), "partners": {"partners", "translators"}, "translators": {"translators"}}
WORLD = {
    "asyncio", "socket", "aiohttp", "paramiko", "sqlalchemy", "logging", "random", "uuid", "os", "pathlib", "io", "time", "subprocess",
    "importlib", "secrets", "tempfile", "threading", "multiprocessing", "yaml", "shutil", "structlog", "zoneinfo",
}  # fmt: skip
OWNERS = {
    "sqlalchemy": ("gateway/store/",),
    "alembic": ("gateway/store/",),
    "psycopg": ("gateway/store/",),
    "pysqlite3": ("gateway/store/",),
    "cryptography": ("translators/as2/cms/", "gateway/keys"),
    "lxml": ("translators/xml/",),
    "paramiko": ("gateway/doors/sftp", "gateway/transports/sftp"),
    "argon2": ("gateway/passwords.py",),
    "yaml": ("partners/positioned.py",),
    "nats": ("gateway/targets/nats",),
    "structlog": ("gateway/journal.py",),
    "opentelemetry": ("gateway/traces.py",),
    "obstore": ("gateway/store/bucket.py",),
}
STAGES = ("receive", "translate", "deliver", "compose", "reconcile", "replay")
CALLS_OUT = {"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"}


def files(*houses: str) -> list[Path]:
    return sorted(path for house in houses for path in (ROOT / house).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


class Facts(NamedTuple):
    """What the laws ask of one file."""

    imports: list[str]
    calls: list[tuple[int, str]]
    """(line, name) of what is called by its bare name."""
    methods: list[tuple[int, str]]
    """(line, name) of what is called behind a dot."""
    coroutines: list[str]


@cache
def facts_of(path: Path) -> Facts:
    """Read once for all laws; the tree itself, many times as large, is not kept."""
    found = Facts([], [], [], [])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                found.imports.extend(alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                found.imports.extend([module, *(f"{module}.{one.name}" for one in names)])  # a name may be a module: from gateway import deliver
            case ast.ImportFrom(module=str(module)):
                found.imports.append(".".join([*path.relative_to(ROOT).parts[: -node.level], module]))
            case ast.Call(func=ast.Name(id=name)):
                found.calls.append((node.lineno, name))
            case ast.Call(func=ast.Attribute(attr=name)):
                found.methods.append((node.lineno, name))
            case ast.AsyncFunctionDef():
                found.coroutines.append(node.name)
    return found


def imports_of(path: Path) -> list[str]:
    return facts_of(path).imports


def test_an_import_is_seen_in_whatever_form(tmp_path: Path):
    file = tmp_path / "one.py"
    file.write_text("import gateway.deliver\nfrom gateway import compose\nfrom gateway.replay import stage\n")
    assert {"gateway.deliver", "gateway.compose", "gateway.replay.stage"} <= set(imports_of(file))


def test_imports_run_down():
    wrong = [
        (name_of(path), name)
        for house in HOUSES
        for path in files(house)
        for name in imports_of(path)
        if name.split(".")[0] in HOUSES and name.split(".")[0] not in BELOW[house]
    ]
    assert not wrong


def test_translators_are_pure():
    wrong = [(name_of(path), name) for path in files("translators") for name in imports_of(path) if name.split(".")[0] in WORLD]
    assert not wrong


def test_translators_call_nothing_of_the_world():
    clocks = {"now", "utcnow", "today"}
    wrong = [
        (name_of(path), *called)
        for path in files("translators")
        for called in [one for one in facts_of(path).calls if one[1] in CALLS_OUT] + [one for one in facts_of(path).methods if one[1] in clocks]
    ]
    assert not wrong


def test_async_lives_in_the_gateway():
    wrong = [(name_of(path), name) for path in files("translators", "partners") for name in facts_of(path).coroutines]
    assert not wrong


def test_stages_do_not_import_each_other():
    def stage(name: str) -> str | None:
        parts = name.split(".")
        return parts[1] if len(parts) > 1 and parts[0] == "gateway" and parts[1] in STAGES else None

    wrong = [
        (name_of(path), name)
        for path in files("gateway")
        for name in imports_of(path)
        if (mine := stage(".".join(path.relative_to(ROOT).with_suffix("").parts))) and (other := stage(name)) and mine != other
    ]
    assert not wrong


def test_each_library_has_one_owner():
    wrong = [
        (name_of(path), name)
        for path in files(*HOUSES)
        for name in imports_of(path)
        if (owner := OWNERS.get(name.split(".")[0])) and not name_of(path).startswith(owner)
    ]
    assert not wrong


def test_nothing_received_is_ever_executed():
    """No pickle, marshal, shelve or dill. What YAML may become is held by its one owner (OWNERS)."""
    wrong = [
        (name_of(path), name) for path in files(*HOUSES) for name in imports_of(path) if name.split(".")[0] in {"pickle", "marshal", "shelve", "dill"}
    ]
    assert not wrong
