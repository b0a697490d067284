"""What a LOG means: a table of what people write, and of what means nothing."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.catalog.specs import (
    DatedSpec,
    DirectorySpec,
    FileSpec,
    GlobSpec,
    InputSpec,
    Kind,
    Spec,
    kind_of,
    parse_spec,
    parse_specs,
)
from server.errors import StartError

THERE = {
    "/srv/app.log": Kind.FILE,
    "/srv/a*b.log": Kind.FILE,
    "/srv/a=b.log": Kind.FILE,
    "/srv/app-%Y.log": Kind.FILE,
    "/srv/web=x": Kind.FILE,
    "/srv/logs": Kind.DIRECTORY,
    "/srv/100%d": Kind.DIRECTORY,
    "/srv/x=y": Kind.DIRECTORY,
    "/srv/[1]": Kind.DIRECTORY,
}


def look(path: str) -> Kind:
    return THERE.get(os.path.normpath(path), Kind.NOTHING)


def parsed(text: str) -> Spec:
    return parse_spec(text, look, Path("/srv"))


SPECS: list[tuple[str, type[Spec], str, str]] = [
    # LOG, what it is, its path, its alias
    ("app.log", FileSpec, "/srv/app.log", ""),
    ("/srv/app.log", FileSpec, "/srv/app.log", ""),
    ("../srv/./app.log", FileSpec, "/srv/app.log", ""),
    ("later.log", FileSpec, "/srv/later.log", ""),
    ("web=app.log", FileSpec, "/srv/app.log", "web"),
    ("web=/x/later.log", FileSpec, "/x/later.log", "web"),
    ("my web=app.log", FileSpec, "/srv/app.log", "my web"),
    ("a*b.log", FileSpec, "/srv/a*b.log", ""),
    ("a=b.log", FileSpec, "/srv/a=b.log", ""),
    ("app-%Y.log", FileSpec, "/srv/app-%Y.log", ""),
    ("x=a*b.log", FileSpec, "/srv/a*b.log", "x"),
    ("x=a=b.log", FileSpec, "/srv/a=b.log", "x"),
    ("x=web=x", FileSpec, "/srv/web=x", "x"),
    ("x=app-%Y.log", FileSpec, "/srv/app-%Y.log", "x"),
    ("./new=x.log", FileSpec, "/srv/new=x.log", ""),
    ("/x/dt=1/app.log", FileSpec, "/x/dt=1/app.log", ""),
    ("web=/x/dt=1/app.log", FileSpec, "/x/dt=1/app.log", "web"),
    ("web=./new=x.log", FileSpec, "/srv/new=x.log", "web"),
    ("100%%.log", FileSpec, "/srv/100%.log", ""),
    ("logs", DirectorySpec, "/srv/logs", ""),
    ("logs/", DirectorySpec, "/srv/logs", ""),
    ("later/", DirectorySpec, "/srv/later", ""),
    ("100%d", DirectorySpec, "/srv/100%d", ""),
    ("x=y", DirectorySpec, "/srv/x=y", ""),
    ("[1]", DirectorySpec, "/srv/[1]", ""),
    ("*.log", GlobSpec, "/srv/*.log", ""),
    ("/var/log/**/*.log", GlobSpec, "/var/log/**/*.log", ""),
    ("/var/dt=*/app.log", GlobSpec, "/var/dt=*/app.log", ""),
    ("app[12].lo?", GlobSpec, "/srv/app[12].lo?", ""),
    ("100%*.log", GlobSpec, "/srv/100%*.log", ""),
    ("*/", GlobSpec, "/srv/*/*", ""),
    ("app-%Y-%m-%d.log", DatedSpec, "/srv/app-%Y-%m-%d.log", ""),
    ("app=app-%Y-%m-%d.log", DatedSpec, "/srv/app-%Y-%m-%d.log", "app"),
    ("app=/x/100%%/%Y.log", DatedSpec, "/x/100%/%Y.log", "app"),
]


@pytest.mark.parametrize(("text", "kind", "path", "alias"), SPECS)
def test_a_log_is_this(text: str, kind: type[Spec], path: str, alias: str) -> None:
    spec = parsed(text)
    assert type(spec) is kind
    assert not isinstance(spec, InputSpec)
    assert (spec.text, str(spec.path)) == (text, path)
    assert getattr(spec, "alias", "") == alias


@pytest.mark.parametrize(("text", "alias"), [("-", ""), ("app=-", "app")])
def test_standard_input_is_recognized(text: str, alias: str) -> None:
    assert parsed(text) == InputSpec(text, alias)


PROBLEMS = [
    # LOG, what is said of it
    ("", "an empty LOG names nothing: give the path"),
    ("a\0b", r"a\x00b is not a path: give the path"),
    ("=app.log", "there is no name in front of the =: give one, or leave the = out"),
    ("app=", "there is no path behind the =: give one, as in app=app.log"),
    ("a/b=app.log", "a name has no slash: take it out, or begin a path"),
    ("a\\b=app.log", "a name has no slash"),
    ("*=app.log", "a name has no *, ? or ["),
    ("web*=app.log", "a name has no *, ? or ["),
    ("a\nb=app.log", r"a\nb=app.log: a name has no control characters"),
    ("a\udcffb=app.log", "a name has no control characters"),
    (" web=app.log", "no blanks at its ends"),
    ("..=app.log", "give another one"),
    ("a" * 101 + "=app.log", "no more than 100 characters"),
    ("a=b=app.log", "has two names: give it one NAME=, or begin a path that has = in it with ./ "),
    ("web=logs", "web would be the name of many logs: leave web= out"),
    ("web=*.log", "web would be the name of many logs: leave web= out"),
    ("web=later/", "web would be the name of many logs: leave web= out"),
    ("*-%Y.log", "is both a glob and a pattern with dates: give either"),
    ("%Y/app.log", "dates can stand in the name of a file, not in those of directories"),
    ("100%/app.log", "(a percent sign is written %%)"),
    ("app-%q.log", "app-%q.log: %q is not a part of a date"),
    ("app=x/app-%d.log", "app=x/app-%d.log: app-%d.log: without the year"),
]


@pytest.mark.parametrize(("text", "problem"), PROBLEMS)
def test_what_means_nothing_is_told_in_a_line_that_names_the_remedy(
    text: str, problem: str
) -> None:
    with pytest.raises(StartError) as raised:
        parsed(text)
    words = str(raised.value)
    assert problem in words
    assert repr(text)[1:-1].replace("\\\\", "\\") in words
    assert "\n" not in words


SETS = [
    # LOGs, the paths that they come to, or what is said of them
    (["app.log", "app.log"], ["/srv/app.log"]),
    (["app.log", "./app.log", "/srv/app.log"], ["/srv/app.log"]),
    (["app.log", "web=app.log"], ["/srv/app.log"]),
    (["web=app.log", "app.log", "logs"], ["/srv/app.log", "/srv/logs"]),
    (["web=app.log", "web=app.log"], ["/srv/app.log"]),
    (["web=app.log", "web=b.log"], "web=b.log and web=app.log have one name"),
    (["web=app.log", "db=app.log"], "db=app.log and web=app.log are one log: give it one name"),
    (["web=app.log", "web=-"], "web=- and web=app.log have one name"),
    (["-", "app=-"], "standard input (-) can be read once only"),
    (["/a/app.log", "/b/app.log"], ["/a/app.log", "/b/app.log"]),
]


@pytest.mark.parametrize(("texts", "wanted"), SETS)
def test_logs_that_are_given_together(texts: list[str], wanted: list[str] | str) -> None:
    if isinstance(wanted, str):
        with pytest.raises(StartError) as raised:
            parse_specs(texts, look, Path("/srv"))
        assert wanted in str(raised.value)
    else:
        specs = parse_specs(texts, look, Path("/srv"))
        assert [str(spec.path) for spec in specs if not isinstance(spec, InputSpec)] == wanted


def test_a_name_that_was_given_is_kept_whatever_the_order() -> None:
    for texts in (["app.log", "web=app.log"], ["web=app.log", "app.log"]):
        [spec] = parse_specs(texts, look, Path("/srv"))
        assert isinstance(spec, FileSpec)
        assert spec.alias == "web"


def test_what_stands_at_a_path_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a*").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    names = ["a*", "dangling", "pipe", ".", "b", "a\0"]
    assert [kind_of(str(tmp_path / name)) for name in names] == [
        *(Kind.FILE, Kind.FILE, Kind.FILE, Kind.DIRECTORY, Kind.NOTHING, Kind.NOTHING)
    ]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_specs(["a*", "web=~/b.log"]) == [
        FileSpec("a*", tmp_path / "a*"),
        FileSpec("web=~/b.log", tmp_path / "b.log", "web"),
    ]
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(StartError, match="the working directory cannot be found"):
        parse_spec("app.log")
    assert parse_spec("/x/app.log") == FileSpec("/x/app.log", Path("/x/app.log"))


@given(st.text(st.sampled_from("aY=%*[]?/.-~\0\n "), max_size=12))
def test_whatever_is_given_is_a_spec_or_a_line(text: str) -> None:
    said = ""
    try:
        spec = parsed(text)
        assert isinstance(spec, InputSpec) or spec.path.is_absolute()
    except StartError as error:
        said = str(error)
    assert "\n" not in said
