"""Names of other systems: taken as they are, and refused in one sentence where they can be none."""

import pytest

from tests.tidegate.plan_texts import BASE, load
from tidegate.plan.loading.loader import PlanError
from tidegate.values.names import attribute, channel, flag_key, group, slug

KEYS = ("newCart", "AGRO2-1000", "shop:new-cart", "größe", "k" * 255, "team/new_cart.v2", "exp|a", "新機能", "_x", "9")
NO_KEYS = (
    "../../etc/passwd",
    "/etc/passwd",
    "a//b",
    "a/./b",
    "a b; rm",
    "a\nb",
    "a\0b",
    "",
    "-x",
    "$(id)",
    "`id`",
    "k" * 256,
)
GROUPS = ("ada@example.com", "Beta Users", "../../etc/passwd", "a b; rm", "<b>|x", "größe", "[red]", "g" * 255)
NO_GROUPS = ("", " a", "a\n", "a\0b", "a\x1b[2J", "a\u202eb", "g" * 256)
CHANNELS = ("#größe", "#alerts-critical", "C024BE91L", "G024BE91L", "#a_1")
NO_CHANNELS = (
    "größe",
    "#Größe",
    "#a b",
    "#",
    "c024be91l",
    "C024",
    "#../../etc/passwd",
    "#a;rm",
    "#a\nb",
    "#a\0",
    "#" + "a" * 81,
)
ATTRIBUTES = ("userGroup", "user.group", "https://acme.example/group", "größe", "$group", "group")
NO_ATTRIBUTES = ("", "a b; rm", "a\nb", "../x", "a\0")  # fmt: skip


@pytest.mark.parametrize(
    ("check", "names"), [(flag_key, KEYS), (group, GROUPS), (channel, CHANNELS), (attribute, ATTRIBUTES)]
)
def test_what_other_systems_have_is_taken_as_it_is(check: object, names: tuple[str, ...]) -> None:
    assert callable(check)
    assert tuple(check(name) for name in names) == names


@pytest.mark.parametrize(
    ("check", "names"), [(flag_key, NO_KEYS), (group, NO_GROUPS), (channel, NO_CHANNELS), (attribute, NO_ATTRIBUTES)]
)
def test_what_can_be_no_name_is_refused_in_one_line_that_shows_nothing_raw(
    check: object, names: tuple[str, ...]
) -> None:
    assert callable(check)
    for name in names:
        with pytest.raises(ValueError, match="allowed is") as caught:
            check(name)
        assert str(caught.value).isprintable()


def test_a_rollouts_name_has_small_letters_only_and_is_no_path() -> None:
    assert [slug(name) for name in ("newCart", "größe", "shop:new-cart", "../../etc/passwd", "新機能", "k" * 255)] == [
        "newcart",
        "grosse",
        "shop-new-cart",
        "etc-passwd",
        "flag",
        "k" * 63,
    ]


def test_a_plan_names_the_flag_its_variants_and_its_groups_as_they_are() -> None:
    text = BASE.replace("  key: new-cart", "  key: AGRO2-1000\n  on: NEW\n  off: OLD\n  attribute: userGroup")
    plan = load({"plan.yaml": text})
    assert (plan.flag.key, plan.flag.variants, plan.flag.attribute) == ("AGRO2-1000", ("NEW", "OLD"), "userGroup")
    assert plan.exposure_at(1).variants == ("NEW", "OLD")
    assert "variants" not in load({"plan.yaml": BASE}).exposure_at(1).to_json()


@pytest.mark.parametrize(
    ("lines", "path", "words"),
    [
        ("key: ../../etc/passwd", "flag.key", "allowed is a flag's key"),
        ('key: "a\\nb"', "flag.key", "allowed is a flag's key"),
        ("key: x\n  on: NEW", "flag.off", "found nothing, allowed is the variant that the old path is"),
        ("key: x\n  off: OLD", "flag.on", "found nothing, allowed is the variant that the new path is"),
        ("key: x\n  on: A\n  off: A", "flag.off", "found 'A' (as in on)"),
        ("key: [x]", "flag.key", "a flag's key such as new-cart"),
    ],
)
def test_what_a_plan_may_not_name(lines: str, path: str, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        load({"plan.yaml": BASE.replace("key: new-cart", lines)})
    (problem,) = caught.value.problems
    assert (problem.path, words in problem.message) == (path, True), str(problem)
