"""German. Compounds are one word, as they are written."""

import re

from transforms.text.verbalise import Rule
from transforms.text.verbalise_de_numbers import (
    MONTH,
    cardinal,
    clock,
    date,
    day_and_month,
    day_of_month,
    decade,
    governed,
    join_mixed,
    ordinal,
    ordinal_before_noun,
    roman,
    street,
    year,
)
from transforms.text.verbalise_locale import (
    Locale,
    always_many,
    currencies,
    entries,
    letter_names,
    nouns,
    one_or_many,
    readings,
    words,
)
from transforms.text.verbalise_rules import language

LOCALE = Locale(
    code="de",
    cardinal=cardinal,
    governed=governed,
    ordinal=ordinal,
    ordinal_endings="tens?|te[nrsm]?|ste[nrsm]?",
    form=one_or_many,
    decimal_form=always_many,
    point=("komma", "punkt"),
    decimals_by_digit=True,
    groups=".'",
    date=date,
    year=year,
    clock=clock,
    clock_patterns=(r"(?P<h>\d{1,2})[:.](?P<m>\d\d)\s?(?:Uhr|h)(?![^\W_])", r"(?P<h>\d{1,2})(?P<m>)\s?Uhr(?![^\W_])"),
    minus="minus",
    plus="plus",
    to=("bis", ""),
    ratio=("zu", ""),
    per=("pro", "je"),
    hashtag="hashtag",
    money_joins=("", "und"),
    scales=nouns(
        """tausend Tausend Tsd. | n | tausend | tausend
        Million Millionen Mio. Mio | f | million | millionen
        Milliarde Milliarden Mrd. Mrd | f | milliarde | milliarden
        Billion Billionen Bio. | f | billion | billionen"""
    ),
    of=lambda name: words(name),
    over="durch",
    fractions=entries(
        """1/2 | ein halb; einhalb; eine halbe; ein halber
        1/3 | ein drittel
        2/3 | zwei drittel
        1/4 | ein viertel
        3/4 | drei viertel
        1/5 | ein fünftel
        1/8 | ein achtel
        1/10 | ein zehntel"""
    ),
    feminine=re.compile(r"e$"),
    shares=entries(
        """1/2 m | ein halber; einen halben; einem halben
        1/2 f | eine halbe; einer halben
        1/2 n | ein halbes; einem halben"""
    ),
    power=lambda minus, number: (("hoch", *minus, *cardinal(number, "")[0]),),
    mixed=entries(
        """1 1/2 | eineinhalb; anderthalb
        1/2 | einhalb
        1/3 | eindrittel
        2/3 | zweidrittel
        1/4 | einviertel
        3/4 | dreiviertel"""
    ),
    join_mixed=join_mixed,
    currencies=currencies(
        """€ EUR Euro | m euro euro | m cent cent
        $ USD Dollar US-Dollar | m dollar dollar | m cent cent
        £ GBP | n pfund pfund | m penny pence
        ¥ JPY | m yen yen | m sen sen
        CHF Franken | m franken franken | m rappen rappen"""
    ),
    units=nouns(
        """% | n | prozent | prozent
        ‰ | n | promille | promille
        °C | n | grad celsius | grad celsius
        °F | n | grad fahrenheit | grad fahrenheit
        ° | n | grad | grad
        mm | m | millimeter | millimeter
        cm | m | zentimeter | zentimeter
        m | m | meter | meter
        km | m | kilometer | kilometer
        m² m2 qm | m | quadratmeter | quadratmeter
        km² km2 | m | quadratkilometer | quadratkilometer
        m³ m3 | m | kubikmeter | kubikmeter
        km/h | m | kilometer pro stunde | kilometer pro stunde
        m/s | m | meter pro sekunde | meter pro sekunde
        mg | n | milligramm | milligramm
        g | n | gramm | gramm
        kg | n | kilogramm | kilogramm
        t | f | tonne | tonnen
        ml | m | milliliter | milliliter
        cl | m | zentiliter | zentiliter
        l L | m | liter | liter
        ha | m | hektar | hektar
        ms | f | millisekunde | millisekunden
        s Sek. sek | f | sekunde | sekunden
        min Min. | f | minute | minuten
        h Std. | f | stunde | stunden
        Hz | n | hertz | hertz
        kHz | n | kilohertz | kilohertz
        MHz | n | megahertz | megahertz
        GHz | n | gigahertz | gigahertz
        KB kB | n | kilobyte | kilobyte
        MB | n | megabyte | megabyte
        GB | n | gigabyte | gigabyte
        TB | n | terabyte | terabyte
        Mbit/s | n | megabit pro sekunde | megabit pro sekunde
        Gbit/s | n | gigabit pro sekunde | gigabit pro sekunde
        x | n | mal | mal
        W | n | watt | watt
        kW | n | kilowatt | kilowatt
        kWh | f | kilowattstunde | kilowattstunden
        V | n | volt | volt
        PS | f | pe es | pe es"""
    ),
    symbols=entries(
        """& | und
        @ | at; klammeraffe
        + | plus; und
        = | gleich; ist gleich
        * | stern; sternchen; mal;
        % | prozent
        ‰ | promille
        ° | grad
        € | euro
        $ | dollar
        £ | pfund
        # | raute; nummer; hashtag
        § | paragraf
        × | mal
        ÷ | geteilt durch
        ± | plus minus
        ² | hoch zwei; quadrat
        ³ | hoch drei
        ½ | ein halb; einhalb; eine halbe
        ¼ | ein viertel
        ¾ | drei viertel
        / | ; schrägstrich; oder; pro"""
    ),
    abbreviations=entries(
        """hr | herr
        hrn | herrn
        fr | frau
        dr | doktor
        prof | professor
        dipl | diplom
        ing | ingenieur
        st | sankt; stück
        str | straße
        nr | nummer
        tel | telefon
        bzw | beziehungsweise
        usw | und so weiter
        etc | et cetera
        ca | circa
        evtl | eventuell
        ggf | gegebenenfalls
        inkl | inklusive
        zzgl | zuzüglich
        mio | millionen; million
        mrd | milliarden; milliarde
        vgl | vergleiche
        abs | absatz
        bd | band
        jh | jahrhundert
        jhd | jahrhundert
        geb | geboren
        gest | gestorben
        sog | so genannt; sogenannte
        allg | allgemein
        sept | september
        okt | oktober
        nov | november
        dez | dezember
        bspw | beispielsweise
        insb | insbesondere
        bzgl | bezüglich
        exkl | exklusive
        tsd | tausend
        mind | mindestens
        usf | und so fort
        vs | versus
        hg | herausgeber"""
    ),
    before_numbers=entries(
        """s | seite
        art | artikel
        kap | kapitel
        abb | abbildung
        max | maximal
        min | mindestens; minuten
        jan | januar
        feb | februar
        aug | august"""
    ),
    phrases=entries(
        """z.b. | zum beispiel
        d.h. | das heißt
        u.a. | unter anderem; und andere
        o.ä. | oder ähnliches
        s.o. | siehe oben
        s.u. | siehe unten
        v.chr. | vor christus
        n.chr. | nach christus
        u.s.w. | und so weiter
        i.d.r. | in der regel
        z.t. | zum teil
        z.zt. | zur zeit
        u.u. | unter umständen
        m.e. | meines erachtens
        o.g. | oben genannte; oben genannten
        v.a. | vor allem
        i.a. | im allgemeinen
        u.v.m. | und vieles mehr
        u.ä. | und ähnliches
        24/7 | vierundzwanzig sieben"""
    ),
    letters=letter_names(
        """a:a b:be c:ce d:de e:e f:ef g:ge h:ha i:i j:jot k:ka l:el m:em n:en o:o p:pe q:ku r:er s:es t:te u:u v:vau
        w:we
        x:ix y:ypsilon z:zett ä:ä ö:ö ü:ü ß:eszett"""
    ),
    plural="s",
    vowels="aeiouyäöü",
    capitals=frozenset(
        """ab als am an auf aus bei bin bis da das dem den der des die du ein er es für hat ich ihr im in ist ja man mit
        nach nein nicht nur ob oder sie so um und uns vom von vor was weg wer wie wir wo zu zum zur nato uno unesco nasa
        opec aids ufo bafög pin tüv din laser radar fifa uefa""".split()
    ),
    web={
        ".": "punkt",
        "/": "schrägstrich",
        "-": "minus",
        "_": "unterstrich",
        "@": "at",
        ":": "doppelpunkt",
        "+": "plus",
        "de": "de e",
        "ch": "ce ha",
    },
    www=readings("we we we"),
    domains="de|at|ch",
    phone_patterns=(r"0\d{2,4}[ /-]\d{2,}(?:[ -]\d{2,})*", r"\(0\d{2,4}\)[ /-]?\d{3,}(?:[ -]\d{2,})*", r"0\d{9,12}"),
    roman=roman,
    rules=(
        Rule(re.compile(rf"(?<![\d.,])([1-9]|[12]\d|3[01])\.(?=\s?(?:{MONTH})(?![^\W_]))", re.I), day_of_month),
        Rule(re.compile(r"(?<![\d.,:/-])([1-9]|[12]\d|3[01])\.\s?([1-9]|1[0-2])\.(?!\d)"), day_and_month),
        Rule(re.compile(r"(?<![^\W_])([^\W\d_]{3,})str\.", re.I), street),
        Rule(re.compile(r"(?<![\d.,:/-])(\d{1,3})\.(?=\s[A-ZÄÖÜa-zäöü])"), ordinal_before_noun),
        Rule(re.compile(r"(?<!\d)'?(\d{2}|\d{4})er[ns]?\b"), decade),
    ),
)

LANGUAGE = language(LOCALE)
