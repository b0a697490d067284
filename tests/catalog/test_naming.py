"""What logs are called: a table, and that names are unique and stay."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.catalog import naming
from server.catalog.naming import Names, label_of

TABLE = [
    # paths that are there from the start, and their names
    (["/var/log/app.log", "/var/log/web.log"], ["app.log", "web.log"]),
    (["/l/nginx/access.log", "/l/web/access.log"], ["nginx/access.log", "web/access.log"]),
    (
        ["/l/a/x/1.log", "/l/b/x/1.log", "/l/b/y/1.log", "/l/2.log"],
        ["a/x/1.log", "b/x/1.log", "y/1.log", "2.log"],
    ),
    (["/1.log", "/x/1.log", "/y/x/1.log"], ["1.log", "x/1.log", "y/x/1.log"]),
    (["/x/1.log", "/y/x/1.log"], ["x/1.log", "y/x/1.log"]),
    (["/a*b", "/a?b", "/a\nb", "/a\udcffb"], ["a_b", "a_b~3", "a_b~2", "a_b~4"]),
    (["/a[b]\\c"], ["a_b__c"]),
    (["/"], ["log"]),
]


def named(
    paths: Sequence[str], aliases: Sequence[str] = (), names: Names | None = None
) -> list[str]:
    names = names or Names(aliases)
    labels = dict.fromkeys(map(Path, paths), False)
    return [names.name(labels)[Path(path)] for path in paths]


@pytest.mark.parametrize(("paths", "wanted"), TABLE)
def test_logs_have_the_shortest_names_that_tell_them_apart(
    paths: list[str], wanted: list[str]
) -> None:
    assert sorted(named(paths)) == sorted(wanted)
    assert dict(zip(paths, named(paths), strict=True)) == dict(
        zip(paths[::-1], named(paths[::-1]), strict=True)
    )
    if "a_b" not in wanted:
        assert named(paths) == wanted


def test_names_that_the_user_has_given_win() -> None:
    assert named(["/l/nginx/web", "/l/db"], ["web"]) == ["nginx/web", "db"]
    assert named(["/web", "/l/web"], ["web"]) == ["web~2", "l/web"]


def test_a_name_stays_when_others_come_and_go() -> None:
    names = Names()
    first, second, third = "/l/a/x.log", "/l/b/x.log", "/l/c/x.log"
    assert named([first], names=names) == ["x.log"]
    assert named([first, second], names=names) == ["x.log", "b/x.log"]
    assert named([second], names=names) == ["b/x.log"]
    assert named([second, third], names=names) == ["b/x.log", "c/x.log"]
    assert named([third, second, first], names=names) == ["c/x.log", "b/x.log", "x.log"]


def test_no_more_names_than_a_bound_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "MOST_KNOWN", 2)
    names = Names()
    assert named(["/a/1", "/b/1", "/2"], names=names) == ["a/1", "b/1", "2"]
    named(["/3"], names=names)
    assert named(["/c/1"], names=names) == ["1"]  # the others are forgotten


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("/l/app-%Y-%m-%d.log", "app.log"),
        ("/l/app.%Y%m%d", "app"),
        ("/l/app-%Y-%m-%dT%H:%M.log", "app.log"),
        ("/l/app_%Y-web-%m.log", "app-web.log"),
        ("/l/%Y-%m-%d-app.log", "l-app.log"),
        ("/l/nginx/%Y-%m-%d.log", "nginx.log"),
        ("/l/nginx/%Y%m%d", "nginx"),
        ("/%Y", "log"),
        ("/l/100%%-%Y.log", "100%.log"),
    ],
)
def test_a_log_with_dates_is_named_without_them(pattern: str, name: str) -> None:
    assert label_of(Path(pattern), is_dated=True)[-1] == name


paths = st.lists(
    st.lists(st.sampled_from(["a", "b", "x.log", "y*", "y?"]), min_size=1, max_size=4).map(
        lambda parts: "/" + "/".join(parts)
    ),
    max_size=8,
    unique=True,
)
aliases = st.lists(st.sampled_from(["a", "x.log", "y_"]), unique=True)


@given(paths, aliases)
def test_names_are_unique_and_do_not_depend_on_the_order(
    found: list[str], aliases: list[str]
) -> None:
    names = named(found, aliases)
    assert len({*names, *aliases}) == len(names) + len(aliases)
    assert dict(zip(found, names, strict=True)) == dict(
        zip(sorted(found), named(sorted(found), aliases), strict=True)
    )
    for path, name in zip(found, names, strict=True):
        plain = path[1:].replace("*", "_").replace("?", "_")
        assert plain.endswith(name.partition("~")[0])


@given(st.lists(paths, max_size=6), aliases)
def test_names_are_unique_and_stable_when_others_come_and_go(
    looks: list[list[str]], aliases: list[str]
) -> None:
    names, known = Names(aliases), dict[str, str]()
    for found in looks:
        given = dict(zip(found, named(found, names=names), strict=True))
        for path, name in given.items():
            assert known.setdefault(path, name) == name
        assert len({*known.values(), *aliases}) == len(known) + len(aliases)
