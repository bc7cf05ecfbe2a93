"""What a query means: exact expectations for every rule of the query step."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.search.affixes import stems
from services.catalog.search.domain import MAX_WORDS, Lexicon, load_language
from services.catalog.search.folding import distance, key, words
from tests.catalog.search.demo_lexicon import ENTRIES, LEXICON, slugs, understand, weights

LOMBOK = {"52.01", "52.02", "52.03", "52.08", "52.71"}
SUMBAWA = {"52.04", "52.05", "52.06", "52.07", "52.72"}


class TestFolding:
    @pytest.mark.parametrize(
        ("left", "right"),
        [
            ("kripik", "keripik"),
            ("trasi", "terasi"),
            ("cengke", "cengkeh"),
            ("tjengkeh", "cengkeh"),
            ("djoeroeh", "juruh"),
            ("kajoe", "kayu"),
            ("koelit", "kulit"),
            ("minjak", "minyak"),
            ("kedele", "kedelai"),
            ("kedelay", "kedelai"),
            ("sereh", "serai"),
            ("gulaaa", "gula"),
            ("goody", "goodie"),
            ("klapa", "kelapa"),
        ],
    )
    def test_spellings_of_one_word_share_a_key(self, left: str, right: str) -> None:
        assert key(left) == key(right)

    @pytest.mark.parametrize(
        ("left", "right"),
        [("teh", "teri"), ("moringa", "mongri"), ("kerupuk", "keripik"), ("gula", "gulai"), ("terasi", "tersai")],
    )
    def test_different_words_keep_different_keys(self, left: str, right: str) -> None:
        assert key(left) != key(right)

    def test_words_separate_signs_and_write_doubling_out(self) -> None:
        assert words("Oleh2 khas-Lombok, dendèng\0mare’s 🍕 1.500") == [
            *("oleh", "oleh", "khas", "lombok", "dan", "dendeng", "mares", "1500")
        ]

    @given(st.text(alphabet=string.ascii_lowercase, max_size=30))
    def test_folding_a_key_again_changes_nothing(self, word: str) -> None:
        assert key(key(word)) == key(word)

    @given(st.text(max_size=400))
    def test_words_are_bounded_and_plain(self, text: str) -> None:
        found = words(text)
        assert len(found) <= MAX_WORDS
        assert all(word.isalnum() for word in found)

    @pytest.mark.parametrize(
        ("left", "right", "errors"),
        [("aren", "arn", 1), ("aren", "aern", 1), ("gula", "gula", 0), ("kelapa", "klpa", 2), ("a", "bcdef", 3)],
    )
    def test_distance_counts_swapped_neighbours_once(self, left: str, right: str, errors: int) -> None:
        assert distance(left, right, 2) == errors
        assert distance(right, left, 2) == errors

    @pytest.mark.parametrize(
        ("word", "stem"),
        [
            ("tenunannya", "tenun"),
            ("madunyalah", "madu"),
            ("disangrai", "sangrai"),
            ("menggoreng", "goreng"),
            ("memijat", "pijat"),
            ("diasinkan", "asin"),
            ("bags", "bag"),
            ("candies", "candy"),
        ],
    )
    def test_affixes_are_offered_for_removal(self, word: str, stem: str) -> None:
        assert stem in list(stems(word))


class TestCommodities:
    @pytest.mark.parametrize(
        ("query", "first"),
        [
            ("gula arn", "gula-aren-cetak"),
            ("merunggai", "teh-kelor"),
            ("susu kedele", "susu-kedelai-segar"),
            ("mnyk cengke", "minyak-cengkeh"),
            ("keripik pisangg", "keripik-pisang"),
            ("moringa tea", "teh-kelor"),
            ("vco", "vco"),
            ("trasi", "terasi"),
            ("soap for hotel", "sabun-hotel"),
            ("oleh2 khas lombok", "miniatur-lumbung"),
            ("tenunan", "tenun-songket-lombok"),
            ("minyak untuk masuk angin", "minyak-kayu-putih"),
            ("gula untuk kopi", "gula-semut"),
            ("aren gula", "gula-aren-cetak"),
            ("kayuputih", "minyak-kayu-putih"),
            ("kopi hijau", "kopi-biji-hijau"),
            ("teh klor", "teh-kelor"),
            ("minjak kajoe poetih", "minyak-kayu-putih"),
            ("susu kdlai", "susu-kedelai-segar"),
        ],
    )
    def test_the_first_commodity_is_the_one_meant(self, query: str, first: str) -> None:
        assert slugs(query)[0] == first

    def test_palm_sugar_means_every_kind_of_aren_sugar(self) -> None:
        assert set(slugs("palm sugar")[:3]) == {"gula-semut", "gula-aren-cetak", "gula-aren-cair"}

    def test_weights_fall_from_named_to_corrected_to_related(self) -> None:
        assert weights("gula aren")["gula-aren-cetak"] == 1.0
        assert 0.8 <= weights("gula arn")["gula-aren-cetak"] < 1.0
        assert weights("gula aren")["gula-kelapa"] == 0.4

    def test_gula_merah_stays_ambiguous(self) -> None:
        assert understand("gula merah").commodities[:2] == (("gula-aren-cetak", 1.0), ("gula-kelapa", 1.0))

    def test_minyak_alone_means_every_oil_but_none_for_certain(self) -> None:
        found = weights("minyak")
        assert len(found) >= 9
        assert max(found.values()) <= 0.8

    def test_tas_ketak_is_basketry_and_tas_kemasan_packaging(self) -> None:
        assert slugs("tas ketak")[0] == "ketak"
        assert "tas-kemasan-spunbond" not in slugs("tas ketak")
        assert slugs("tas kemasan") == ["tas-kemasan-spunbond"]

    def test_eucalyptus_is_only_related_to_cajuput(self) -> None:
        assert slugs("eucalyptus oil")[0] == "minyak-kayu-putih"
        assert weights("eucalyptus oil")["minyak-kayu-putih"] < 0.8

    def test_what_a_thing_is_for_is_not_what_is_wanted(self) -> None:
        found = weights("botol untuk madu")
        assert found["botol-madu"] == 1.0
        assert found["madu-hutan-sumbawa"] <= 0.4

    def test_wishes_joined_by_and_both_stand_at_the_top(self) -> None:
        assert {"teh-kelor", "kopi-tambora"} <= set(slugs("kopi atau teh kelor")[:2])

    def test_a_part_of_a_name_counts_less_beside_a_foreign_thing(self) -> None:
        assert slugs("jaket kulit") == []
        assert slugs("kunci inggris") == []
        assert slugs("kulit")[0] == "kerupuk-kulit"

    @pytest.mark.parametrize(
        "query", ["topi", "sabuk kulit", "mesin jahit", "laptop", "yang murah dong", "xqzwv", "🍕"]
    )
    def test_what_is_not_sold_means_no_commodity(self, query: str) -> None:
        assert slugs(query) == []

    def test_words_under_four_letters_are_corrected_only_inside_a_phrase(self) -> None:
        assert slugs("arn") == []
        assert slugs("gula arn")

    def test_unknown_slugs_of_the_language_document_are_left_out(self) -> None:
        few = Lexicon.build([entry for entry in ENTRIES if entry.slug == "vco"], [], load_language())
        assert {slug for slug, _ in few.understand("minyak untuk rambut").commodities} == {"vco"}
        assert Lexicon.build([], [], load_language()).understand("oleh oleh").commodities == ()


class TestRegionsAndCertificates:
    @pytest.mark.parametrize(
        ("query", "regions"),
        [
            ("gula aren lombok timur", {"52.03"}),
            ("terasi lotim", {"52.03"}),
            ("lombok tmur", {"52.03"}),
            ("lombok", LOMBOK),
            ("sumbawa", SUMBAWA),
            ("kopi ntb", LOMBOK | SUMBAWA),
            ("tenun kota bima", {"52.72"}),
            ("madu kab. bima", {"52.06"}),
            ("mutiara mataram", {"52.71"}),
            ("madu sumbawa barat", {"52.07"}),
            ("madu sumbawa", set()),
            ("kopi lombok utara", set()),
            ("garam bima", set()),
        ],
    )
    def test_places_are_read_unless_they_are_part_of_a_product_name(self, query: str, regions: set[str]) -> None:
        assert set(understand(query).regions) == regions

    def test_the_nearest_meaning_of_sumbawa_comes_first(self) -> None:
        assert understand("sumbawa").regions[0] == "52.04"

    def test_madu_sumbawa_is_the_commodity(self) -> None:
        assert understand("madu sumbawa").commodities[0] == ("madu-hutan-sumbawa", 1.0)

    @pytest.mark.parametrize(
        ("query", "certificates"),
        [
            ("keripik halal", ("HALAL",)),
            ("sambal p-irt", ("PIRT",)),
            ("abon bpom md halal", ("BPOM_MD", "HALAL")),
            ("madu organik", ("ORGANIC",)),
            ("garam sni", ("SNI",)),
            ("madu", ()),
        ],
    )
    def test_certificates_are_read(self, query: str, certificates: tuple[str, ...]) -> None:
        assert understand(query).certificates == certificates


class TestFreeText:
    @pytest.mark.parametrize(
        ("query", "text"),
        [
            ("tolong cari gulaa arn yang murah dong", "gula aren"),
            ("gula aren 1 kg lombok timur halal", "gula aren"),
            ("kripik pisang 250gr", "keripik pisang"),
            ("soap for hotel", "soap"),
            ("oleh-oleh", "oleh oleh"),
            ("ukiran naga", "ukiran naga"),
            ("madu sumbawa", "madu sumbawa"),
            ("lombok timur", ""),
            ("yang untuk di", ""),
            ("\0", ""),
        ],
    )
    def test_text_keeps_what_no_other_field_says(self, query: str, text: str) -> None:
        assert understand(query).text == text
        assert " ".join(understand(query).tokens) == text

    @pytest.mark.parametrize(
        ("query", "suggestion"),
        [
            ("jual gula arn di mataram", "jual gula aren di mataram"),
            ("minyakkelapa", "minyak kelapa"),
            ("choclate", "chocolate"),
            ("berkah sejahtra", "berkah sejahtera"),
            ("gula aren", None),
            ("kripik", None),
            ("madunya", None),
            ("sepatu", None),
        ],
    )
    def test_a_suggestion_is_made_only_for_a_correction(self, query: str, suggestion: str | None) -> None:
        assert understand(query).suggestion == suggestion

    def test_names_are_known_words_that_mean_no_commodity(self) -> None:
        assert understand("sabuk mas").text == "sabuk"
        assert understand("rinjani lestari").suggestion is None


class TestSuggest:
    @pytest.mark.parametrize(
        ("prefix", "phrase"),
        [
            ("gula a", "gula aren"),
            ("gulla ar", "gula aren"),
            ("krip", "keripik"),
            ("keri", "keripik"),
            ("minyak cengk", "Minyak cengkeh"),
            ("mnyk cengk", "Minyak cengkeh"),
            ("semut", "gula semut"),
            ("palm s", "palm sugar"),
            ("jual madu s", "madu sumbawa"),
            ("berkah se", "UD Berkah Sejahtera"),
            ("songkte", "songket"),
        ],
    )
    def test_an_opening_is_completed(self, prefix: str, phrase: str) -> None:
        assert phrase in LEXICON.suggest(prefix)

    def test_the_letters_typed_come_before_letters_that_only_sound_alike(self) -> None:
        assert all(phrase.lower().startswith("k") for phrase in LEXICON.suggest("k"))

    def test_known_misspellings_are_not_offered(self) -> None:
        assert "gula arenn" not in LEXICON.suggest("gula aren", limit=50)
        assert "kripik pisang" not in LEXICON.suggest("krip", limit=50)

    def test_limits_hold(self) -> None:
        assert len(LEXICON.suggest("k", limit=3)) == 3
        assert LEXICON.suggest("gula", limit=0) == []
        assert LEXICON.suggest("") == LEXICON.suggest("\0") == LEXICON.suggest("zzqx") == []

    @given(st.text(max_size=60))
    @settings(max_examples=100)
    def test_nothing_typed_breaks_it(self, prefix: str) -> None:
        assert len(LEXICON.suggest(prefix)) <= 8
