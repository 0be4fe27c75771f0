"""Russian. Numbers by themselves offer genders and cases as readings; years and days are ordinals."""

import re

from transforms.text.verbalise import Reading, Rule
from transforms.text.verbalise_locale import (
    Locale,
    Readings,
    currencies,
    entries,
    letter_names,
    nouns,
    readings,
    unique,
    words,
)
from transforms.text.verbalise_numbers import roman_value
from transforms.text.verbalise_ru_numbers import (
    GENITIVE_MONTHS,
    ORDINAL_ENDINGS,
    cardinal,
    clock,
    date,
    decimal_form,
    decimal_readings,
    declined,
    form,
    governed,
    ordinal,
)
from transforms.text.verbalise_rules import language

_MONTH = "|".join(GENITIVE_MONTHS)
_YEAR_CASES = {"год": "n", "года": "g", "году": "pd", "годом": "i", "годе": "p"}
_IN = re.compile(r"\b(?:в|во|о)\s+$", re.I)


def _year_with_noun(match: re.Match[str]) -> Readings:
    """``в 1984 году`` -> в тысяча девятьсот восемьдесят четвёртом году."""
    cases = _YEAR_CASES[match[2].lower()]
    return unique(*(declined(int(match[1]), case, "m") for case in cases))


def _year_abbreviated(match: re.Match[str]) -> Readings:
    """The year before its abbreviated noun, in the case that the preposition asks for, the others after it."""
    order = "pgn" if _IN.search(match.string[: match.start()]) else "gnp"
    names = {"n": "год", "g": "года", "p": "году"}
    return tuple((*declined(int(match[1]), case, "m"), names[case]) for case in order)


def _day(match: re.Match[str]) -> Readings:
    """``5 марта`` -> пятого | пятое."""
    start = not match.string[: match.start()].strip()
    order = "ng" if start else "gn"
    return unique(*(declined(int(match[1]), case, "n") for case in order), *cardinal(int(match[1]), "m"))


def _century(match: re.Match[str]) -> Readings:
    """``XX век``, ``в XXI веке``, ``XIX века``."""
    cases = {"век": "n", "века": "g", "веке": "p", "веку": "d", "веком": "i", "в.": "np", "веков": "g"}[
        match[2].lower()
    ]
    return unique(*(declined(roman_value(match[1]), case, "m") for case in cases))


def roman(number: int, match: re.Match[str]) -> Readings:
    """``Пётр I`` -> первый | первого ..."""
    masculine = [declined(number, case, "m") for case in "ngdip"]
    return unique(*masculine, declined(number, "n", "f"), declined(number, "g", "f"))


def of(name: str) -> Reading:
    return words(name)


LOCALE = Locale(
    code="ru",
    cardinal=cardinal,
    ordinal=ordinal,
    ordinal_endings=ORDINAL_ENDINGS,
    form=form,
    decimal_form=decimal_form,
    decimal_readings=decimal_readings,
    point=("запятая", "точка"),
    decimals_by_digit=False,
    groups="'",
    date=date,
    clock=clock,
    minus="минус",
    plus="плюс",
    to=("", "до", "тире"),
    money_joins=("",),
    scales=nouns(
        """тысяча тысячи тысяч тыс. тыс | f | тысяча | тысячи | тысяч
        миллион миллиона миллионов млн млн. | m | миллион | миллиона | миллионов
        миллиард миллиарда миллиардов млрд млрд. | m | миллиард | миллиарда | миллиардов
        триллион триллиона триллионов трлн трлн. | m | триллион | триллиона | триллионов"""
    ),
    share_form=lambda noun: noun.few,
    of=of,
    over="дробь",
    fractions=entries(
        """1/2 | одна вторая; половина; пол
        1/3 | одна третья; треть
        2/3 | две трети; две третьих
        1/4 | одна четвёртая; четверть
        3/4 | три четверти; три четвёртых
        1/5 | одна пятая
        1/8 | одна восьмая
        1/10 | одна десятая"""
    ),
    shares=entries(
        """1/2 m | половина; пол; одна вторая
        1/2 f | половина; пол; одна вторая
        1/4 m | четверть; одна четвёртая
        1/4 f | четверть; одна четвёртая"""
    ),
    power=lambda minus, number: (
        ("в", *minus, *declined(number, "p", "f"), "степени"),
        ("в", *minus, *declined(number, "p", "f")),
    ),
    mixed=entries(
        """1 1/2 | полтора; полторы
        1 1/2 f | полторы; полтора
        1/2 | с половиной; и одна вторая
        1/3 | и одна треть; с третью
        2/3 | и две трети
        1/4 | с четвертью; и одна четверть
        3/4 | и три четверти"""
    ),
    currencies=currencies(
        """₽ руб. руб RUB р. | m рубль рубля рублей | f копейка копейки копеек
        $ USD долл. | m доллар доллара долларов | m цент цента центов
        € EUR | m евро евро евро | m цент цента центов
        £ GBP | m фунт фунта фунтов | m пенс пенса пенсов
        ¥ JPY | f иена иены иен | f сена сены сен
        коп. | f копейка копейки копеек | f копейка копейки копеек"""
    ),
    units=nouns(
        """% | m | процент | процента | процентов
        ‰ | n | промилле | промилле | промилле
        °C | m | градус цельсия | градуса цельсия | градусов цельсия
        °F | m | градус фаренгейта | градуса фаренгейта | градусов фаренгейта
        ° | m | градус | градуса | градусов
        мм mm | m | миллиметр | миллиметра | миллиметров
        см cm | m | сантиметр | сантиметра | сантиметров
        м m | m | метр | метра | метров
        км km | m | километр | километра | километров
        м² м2 кв.м m² | m | квадратный метр | квадратных метра | квадратных метров
        км² км2 km² | m | квадратный километр | квадратных километра | квадратных километров
        м³ м3 m³ | m | кубический метр | кубических метра | кубических метров
        км/ч km/h | m | километр в час | километра в час | километров в час
        м/с m/s | m | метр в секунду | метра в секунду | метров в секунду
        мг mg | m | миллиграмм | миллиграмма | миллиграммов
        г g | m | грамм | грамма | граммов
        кг kg | m | килограмм | килограмма | килограммов
        т | f | тонна | тонны | тонн
        мл ml | m | миллилитр | миллилитра | миллилитров
        л l | m | литр | литра | литров
        га | m | гектар | гектара | гектаров
        мс | f | миллисекунда | миллисекунды | миллисекунд
        с сек сек. | f | секунда | секунды | секунд
        мин мин. | f | минута | минуты | минут
        ч ч. | m | час | часа | часов
        Гц | m | герц | герца | герц
        кГц | m | килогерц | килогерца | килогерц
        МГц | m | мегагерц | мегагерца | мегагерц
        ГГц | m | гигагерц | гигагерца | гигагерц
        КБ кБ | m | килобайт | килобайта | килобайт
        МБ | m | мегабайт | мегабайта | мегабайт
        ГБ | m | гигабайт | гигабайта | гигабайт
        ТБ | m | терабайт | терабайта | терабайт
        Вт | m | ватт | ватта | ватт
        кВт | m | киловатт | киловатта | киловатт
        В | m | вольт | вольта | вольт"""
    ),
    symbols=entries(
        """& | и; амперсанд
        @ | собака
        + | плюс
        = | равно
        * | звёздочка; умножить на;
        % | процентов; процента
        ‰ | промилле
        ° | градусов
        ₽ | рублей
        € | евро
        $ | долларов
        £ | фунтов
        № | номер; номера
        # | решётка; номер
        § | параграф
        × | на; умножить на
        ÷ | разделить на
        ± | плюс минус
        ² | в квадрате
        ³ | в кубе
        ½ | одна вторая; с половиной; половина
        ¼ | одна четвёртая; четверть
        ¾ | три четверти; три четвёртых
        / | ; дробь; или; слэш"""
    ),
    abbreviations=entries(
        """г | город; года; год
        гг | годы; годов
        ул | улица; улице; улицы
        пр | проспект
        просп | проспект
        пл | площадь
        пер | переулок
        д | дом
        кв | квартира
        корп | корпус
        стр | страница; строение
        с | страница
        руб | рублей; рубля
        коп | копеек
        тыс | тысяч; тысячи
        млн | миллионов; миллиона; миллион
        млрд | миллиардов; миллиарда; миллиард
        им | имени
        проф | профессор
        акад | академик
        др | другие; других
        см | смотри; смотрите
        ср | сравни
        рис | рисунок
        табл | таблица
        гл | глава
        ст | статья
        тел | телефон
        доб | добавочный
        обл | область
        обр | образом
        ок | около
        мин | минут
        сек | секунд
        в | век"""
    ),
    phrases=entries(
        """т.е. | то есть
        т.д. | так далее
        т.п. | тому подобное
        т.к. | так как
        т.н. | так называемый; так называемые
        и т.д. | и так далее
        и т.п. | и тому подобное
        и др. | и другие
        до н.э. | до нашей эры
        н.э. | нашей эры
        к.т.н. | кандидат технических наук"""
    ),
    letters=letter_names(
        """а:а б:бэ в:вэ г:гэ д:дэ е:е ё:ё ж:жэ з:зэ и:и й:и_краткое к:ка л:эл м:эм н:эн о:о п:пэ р:эр с:эс т:тэ у:у
        ф:эф х:ха ц:цэ ч:че ш:ша щ:ща ъ:твёрдый_знак ы:ы ь:мягкий_знак э:э ю:ю я:я a:эй b:би c:си d:ди e:и f:эф g:джи
        h:эйч i:ай j:джей k:кей l:эл m:эм n:эн o:оу p:пи q:кью r:ар s:эс t:ти u:ю v:ви w:дабл_ю x:икс y:уай z:зет"""
    ),
    vowels="аеёиоуыэюяaeiouy",
    capitals=frozenset(
        """а без бы в вам вас во вот вы где да для до его ее её если ещё же за и
        из или им их к как когда кто ли мне мы на
        над нас не нет но ну о об он она они от по под при про с сам со так там то ты у уже что это я нато юнеско вуз
        загс спид гост тасс мид гибдд пин нэп маз камаз наса""".split()
    ),
    web={
        ".": "точка",
        "/": "слэш",
        "-": "дефис",
        "_": "подчёркивание",
        "@": "собака",
        ":": "двоеточие",
        "+": "плюс",
        "ru": "ру",
        "com": "ком",
        "org": "орг",
        "net": "нет",
        "info": "инфо",
        "рф": "эр эф",
    },
    www=readings("три дабл ю; вэ вэ вэ; дабл ю дабл ю дабл ю"),
    domains="ru|рф|su|ua|by|kz",
    phone_patterns=(
        r"[78][ -]?\(?\d{3}\)?[ -]?\d{3}[ -]\d\d[ -]\d\d",
        r"\(\d{3}\) ?\d{3}[ -]\d\d[ -]\d\d",
        r"\d{3}-\d\d-\d\d",
        r"\d\d-\d\d-\d\d",
    ),
    phone_in_groups=True,
    roman=roman,
    governed=governed,
    rules=(
        Rule(re.compile(r"(?<![\d.,])(\d{3,4})(?=\s(год|года|году|годом|годе)(?![^\W_]))", re.I), _year_with_noun),
        Rule(re.compile(r"(?<![\d.,])([12]\d{3})\s?г\.(?![^\W_])"), _year_abbreviated),
        Rule(re.compile(rf"(?<![\d.,:/-])([1-9]|[12]\d|3[01])(?=\s(?:{_MONTH})(?![^\W_]))", re.I), _day),
        Rule(re.compile(r"(?<![^\W_])([IVX]{1,7})(?=\s(век|века|веке|веку|веком|веков|в\.)(?![^\W_]))"), _century),
    ),
)

LANGUAGE = language(LOCALE)
