"""From meaning to branches, without any engine."""

from services.catalog.search.domain import Understanding
from services.catalog.search.index.port import EngineHit
from services.catalog.search.mixing import mixed, needs_mixing, window
from services.catalog.search.plan import Branch, branches, in_one_list
from tests.catalog.search.demo_lexicon import understand

MEANT, RELATED = ("madu-trigona", 1.0), ("madu-hutan-sumbawa", 0.4)
HONEY = (MEANT, RELATED)


class TestBranches:
    def test_none_when_nothing_is_meant(self) -> None:
        assert branches(Understanding()) == ()
        assert branches(understand("yang untuk dan")) == ()

    def test_commodities_are_all_that_is_looked_for_when_they_explain_the_query(self) -> None:
        found = branches(Understanding(tokens=("madu",), commodities=HONEY))
        assert found == (Branch(commodities=(MEANT,)), Branch(commodities=(RELATED,)))

    def test_a_place_is_a_wish_beside_the_commodity_that_is_meant(self) -> None:
        placed, anywhere, related = branches(
            Understanding(tokens=("madu",), commodities=HONEY, regions=("52.03",), certificates=("HALAL",))
        )
        assert anywhere == Branch(commodities=(MEANT,))
        assert related == Branch(commodities=(RELATED,))
        assert (placed.commodities, placed.regions, placed.certificates) == ((MEANT,), ("52.03",), ("HALAL",))
        assert placed.boost > anywhere.boost

    def test_a_place_and_a_certificate_alone_are_conditions(self) -> None:
        assert branches(Understanding(regions=("52.03",), certificates=("HALAL",))) == (
            Branch(regions=("52.03",), certificates=("HALAL",)),
        )

    def test_what_is_only_related_comes_last_and_is_never_moved_forward(self) -> None:
        found = branches(Understanding(tokens=("madu", "jaya"), unexplained=("jaya",), commodities=HONEY))
        assert found[-1] == Branch(commodities=(RELATED,))
        assert all(RELATED not in branch.commodities for branch in found[:-1])

    def test_names_are_searched_when_a_word_is_left_over(self) -> None:
        found = branches(Understanding(tokens=("madu", "jaya"), unexplained=("jaya",), commodities=HONEY))
        assert Branch(boost=0.9, words=("madu", "jaya"), only_names=True) in found
        assert Branch(boost=1.2, commodities=(MEANT,), words=("jaya",)) in found

    def test_words_alone_go_by_names_then_by_texts(self) -> None:
        named, anywhere = branches(Understanding(tokens=("sinar", "jaya"), unexplained=("sinar", "jaya")))
        assert (named.only_names, anywhere.only_names) == (True, False)
        assert named.boost > anywhere.boost


class TestInOneList:
    def test_only_what_is_meant(self) -> None:
        assert in_one_list(Understanding(tokens=("madu",), commodities=HONEY)) == (
            Branch(commodities=(("madu-trigona", 1.0),)),
        )

    def test_words_when_the_commodity_is_guessed(self) -> None:
        guessed = Understanding(
            tokens=("sari", "sentosa"), unexplained=("sentosa",), commodities=(("susu-kedelai-segar", 0.7),)
        )
        assert in_one_list(guessed) == (Branch(words=("sari", "sentosa")),)

    def test_none_when_nothing_is_meant(self) -> None:
        assert in_one_list(Understanding()) == ()


def hit(commodity: str, score: float = 1.0, *, in_stock: bool = True) -> EngineHit:
    return EngineHit("{}", 1, None, commodity, in_stock, score)


class TestMixing:
    EQUAL = (Branch(commodities=(("a", 1.0), ("b", 1.0), ("c", 0.5))),)

    def test_needed_only_among_equals(self) -> None:
        assert needs_mixing(self.EQUAL)
        assert not needs_mixing((Branch(commodities=HONEY), Branch(words=("x",))))

    def test_equals_take_turns_in_the_order_named(self) -> None:
        hits = [hit("b"), hit("b"), hit("b"), hit("a"), hit("c", 0.5)]
        assert [each.commodity for each in mixed(hits, self.EQUAL)] == ["a", "b", "b", "b", "c"]

    def test_what_is_out_of_stock_stays_behind_its_equals(self) -> None:
        hits = [hit("b"), hit("b"), hit("a", in_stock=False)]
        assert [each.commodity for each in mixed(hits, self.EQUAL)] == ["b", "b", "a"]

    def test_windows_hold_whole_pages(self) -> None:
        for per_page in (1, 7, 20, 40, 41, 100):
            for page in range(1, 30):
                number, size = window(page, per_page)
                assert size % per_page == 0
                assert (number - 1) * size <= (page - 1) * per_page < page * per_page <= number * size
