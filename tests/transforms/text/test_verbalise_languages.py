"""Spanish, French, German, Italian and Russian: laws on generated texts, and golden readings."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.text.verbalise import LANGUAGES, slots, speak, verbalise

CODES = st.sampled_from(sorted(LANGUAGES))
NUMBERS = st.one_of(
    st.integers(0, 10**17).map(str),
    st.integers(0, 10**9).map(lambda n: f"{n:,}"),
    st.integers(0, 10**9).map(lambda n: f"{n:,}".replace(",", ".")),
    st.integers(0, 10**7).map(lambda n: f"{n:,}".replace(",", " ")),
    st.tuples(st.integers(0, 9999), st.integers(0, 9999)).map(lambda n: f"{n[0]},{n[1]}"),
    st.tuples(st.integers(0, 99), st.integers(0, 99)).map(lambda n: f"{n[0]:02}:{n[1]:02}"),
    st.tuples(st.integers(0, 40), st.integers(0, 13), st.integers(0, 9999)).map(lambda n: "/".join(map(str, n))),
    st.tuples(st.integers(0, 40), st.integers(0, 13), st.integers(0, 9999)).map(lambda n: ".".join(map(str, n))),
    st.lists(st.integers(0, 999), min_size=2, max_size=5).map(lambda n: "-".join(map(str, n))),
)
GLUE = st.sampled_from(
    "€ $ £ ₽ % ° °C km kg h Uhr º ª er e ème . .-й -я -го г. году mai Mai March marzo марта mil Mio. млн. руб. / - – + "
    "½ ⁴ ⁻⁶ ᵉ #MeToo2 * x l'ADN DVDs PBX'S 1m80 5€50 Dr st- str. p. S. /kg pro por hora Stunde "
    "euros Euro рублей вв. -летний #¼ "
    "# № & @ www. .es .ru XX I IVe век ¼ ⅔ ₂ ⁄ − ² ' ’ d'un l'ONU DVD z. B. т. е. Sr. M. ul \u00a0 \u202f , ; ( ) é ß "
    "İ ё 日本 ٣".split(" ")
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(NUMBERS, GLUE, st.text(max_size=6)), max_size=8).flatmap(
        lambda parts: st.sampled_from([" ", ""]).map(lambda by: by.join(parts))
    ),
)


@given(TEXTS, CODES)
@example("12.345.678,90 €", "de")
@example("1 234 567,8 км/ч", "ru")
def test_the_text_as_written_comes_back_and_no_number_is_cut(text, code):
    parts = slots(text, code)
    position, rebuilt = 0, ""
    for slot in parts:
        assert position <= slot.char_start < slot.char_end <= len(text)
        rebuilt += text[position : slot.char_start] + text[slot.char_start : slot.char_end]
        position = slot.char_end
    assert rebuilt + text[position:] == text
    inside = {place for slot in parts for place in range(slot.char_start, slot.char_end)}
    starts = {slot.char_start for slot in parts}
    for run in re.finditer(r"\d+", text):
        assert inside.issuperset(range(run.start(), run.end()))
        assert not starts & set(range(run.start() + 1, run.end()))


@given(TEXTS, CODES)
def test_every_word_of_every_reading_is_letters(text, code):
    for slot in slots(text, code):
        assert slot.readings
        for reading in slot.readings:
            for word in reading:
                assert word == word.lower()
                assert re.fullmatch(r"'?[^\W\d_]+(?:'[^\W\d_]+)*'?", word), (slot, word)


@given(TEXTS, CODES)
def test_spoken_words_map_back_to_their_slots(text, code):
    words = verbalise(text, code)
    assert words == speak(slots(text, code))
    ranges = [(word.char_start, word.char_end) for word in words]
    for (start, end), (following, _) in pairwise(ranges):
        assert following >= end or following == start


def test_a_time_ends_where_it_is_written():
    assert [slot.char_end for slot in slots("à 8 h du", "fr")] == [1, 5, 8]


@given(st.integers(0, 10**14), CODES)
def test_a_number_is_said_by_some_word(number, code):
    (slot,) = slots(str(number), code)
    assert (slot.char_start, slot.char_end) == (0, len(str(number)))
    assert all(slot.readings)


@given(st.integers(0, 23), st.integers(0, 59), CODES)
def test_a_time_is_one_slot(hour, minute, code):
    (slot,) = slots(f"{hour}:{minute:02}", code)
    assert all(slot.readings)


@given(st.integers(1, 28), st.integers(1, 12), st.integers(1000, 2999), CODES)
def test_a_date_is_one_slot(day, month, year, code):
    (slot,) = slots(f"{year}-{month:02}-{day:02}", code)
    assert len(slot.readings[0]) >= 3


GOLDEN = {
    "es": """
        1 vez, 21 más y C. Díaz = una vez veintiuno más y ce díaz
        3 M€ = tres millones de euros
        1/2 hora, ½ kilo = media hora medio kilo
        a las 17.30, 2 hrs, -5º = a las diecisiete y media dos horas menos cinco grados
        612345678 = seis uno dos tres cuatro cinco seis siete ocho
        Isabel II, capítulo XLII, parte I = isabel segunda capítulo cuarenta y dos parte uno
        5 €/kg y 100 habitantes por km² = cinco euros por kilogramo y cien habitantes por kilómetro cuadrado
        el 11-M, #YoTeCreo = el once eme hashtag yo te creo
        19,99 euros y 2 millones de euros = diecinueve euros con noventa y nueve y dos millones de euros
        $500 pesos, $1,500, 3,500 km = quinientos pesos mil quinientos dólares tres mil quinientos kilómetros
        21 años, 31 casas y 1 hora = veintiún años treinta y una casas y una hora
        500 mujeres, 200 personas, 300 días = quinientas mujeres doscientas personas trescientos días
        21 problemas, canal 1 ofrece = veintiún problemas canal uno ofrece
        en el s. XIX, p. 5 = en el siglo diecinueve página cinco
        los JJ. OO. a las 5 p. m. = los juegos olímpicos a las cinco pe eme
        Tengo 31 gatos. = tengo treinta y un gatos
        en 1984 = en mil novecientos ochenta y cuatro
        1.234.567 = un millón doscientos treinta y cuatro mil quinientos sesenta y siete
        31 000 = treinta y un mil
        3,25 = tres coma veinticinco
        0,05 = cero coma cero cinco
        el 1.º y la 2ª = el primero y la segunda
        el 3er piso = el tercer piso
        5,50 € = cinco euros con cincuenta
        1 £ = una libra
        $2,5 millones = dos coma cinco millones de dólares
        a las 10:05 = a las diez y cinco
        la 1:30 = la una y media
        a las 16:00 = a las dieciséis
        el 5/3/2024 = el cinco de marzo de dos mil veinticuatro
        200 kg = doscientos kilogramos
        21 t = veintiuna toneladas
        -5 °C = menos cinco grados celsius
        el 20 % = el veinte por ciento
        600 12 34 56 = seiscientos doce treinta y cuatro cincuenta y seis
        la extensión 1234 = la extensión uno dos tres cuatro
        la DGT y la ONU = la de ge te y la onu
        el siglo XX = el siglo veinte
        Felipe II = felipe segundo
        3/4 = tres cuartos
        pp. 5-10 = páginas cinco a diez
        www.ejemplo.es = uve doble uve doble uve doble punto ejemplo punto es
        juan.perez@correo.com = juan punto perez arroba correo punto com
        EE. UU. = estados unidos
        los CDs y las ONGs = los ce des y las ongs
        Sr. Pérez & Cía. = señor pérez y compañía
        192.168.1.1 = ciento noventa y dos punto ciento sesenta y ocho punto uno punto uno
        """,
    "fr": """
        3 M€, 1,5 Md€, 5 k€ = trois millions d'euros un virgule cinq milliard d'euros cinq mille euros
        En 2017 M. Dupont = en deux mille dix sept monsieur dupont
        1/2 heure, à 8 h = une demi heure à huit heures
        06-12-34-56-78 = zéro six douze trente quatre cinquante six soixante dix huit
        chapitre V et chapitre XLII = chapitre cinq et chapitre quarante deux
        #MeToo, *soupir*, 3 €/mois = hashtag me too soupir trois euros par mois
        19,99 euros, 5€50 = dix neuf euros quatre vingt dix neuf cinq euros cinquante
        3 milliards d'euros = trois milliards d'euros
        il mesure 1m80, 2 m 05 = il mesure un mètre quatre vingts deux mètres zéro cinq
        le Dr Petit, à St-Malo, Mgr Dupont = le docteur petit à saint malo monseigneur dupont
        av. Foch, p. 5, de l'art. Un vol. = avenue foch page cinq de l'art un vol
        24h/24 et 7j/7 = vingt quatre heures sur vingt quatre et sept jours sur sept
        le XXIᵉ siècle et le 1ᵉʳ mai = le vingt et unième siècle et le premier mai
        J'ai 21 ans = j'ai vingt et un ans
        80 et 91 = quatre vingts et quatre vingt onze
        en 1984 = en mille neuf cent quatre vingt quatre
        1 234 567 = un million deux cent trente quatre mille cinq cent soixante sept
        3,25 = trois virgule vingt cinq
        le 1er mai = le premier mai
        la 1re fois = la première fois
        le 2e et la 21ème = le deuxième et la vingt et unième
        5,50 € = cinq euros cinquante
        1,5 km = un virgule cinq kilomètre
        $2,5 millions = deux virgule cinq millions de dollars
        à 10h05 = à dix heures cinq
        à 8 h = à huit heures
        à 21:30 = à vingt et une heures trente
        le 01/03/2024 = le premier mars deux mille vingt quatre
        20 % à -5 °C = vingt pour cent à moins cinq degrés celsius
        06 12 34 56 78 = zéro six douze trente quatre cinquante six soixante dix huit
        la SNCF, un DVD = la esse enne cé effe un dé vé dé
        l'OTAN = l'otan
        l'ADN et l'UE, d'EDF = l'a dé enne et l'u e d'e dé effe
        C'EST L'EAU = c'est l'eau
        des CD et des DVDs = des cé dé et des dé vé dé
        Louis XIV = louis quatorze
        au XXe siècle = au vingtième siècle
        François Ier = françois premier
        1/2 = un demi
        5-10 = cinq à dix
        www.exemple.com = trois double vé point exemple point com
        M. Dupont et Mme Durand = monsieur dupont et madame durand
        n° 5 = numéro cinq
        appuyez sur # = appuyez sur dièse
        """,
    "de": """
        Siehe S. 5. S. Müller am 3. Jan. = siehe seite fünf es müller am dritten januar
        ½ Stunde = eine halbe stunde
        am 4.7., der 24. 12. = am vierten siebten der vierundzwanzigste zwölfte
        Abschnitt 3.2. = abschnitt drei komma zwei
        Hauptstr. 12, am 1. und 2. Juni = hauptstraße zwölf am ersten und zweiten juni
        3x mit 100 Mbit/s = drei mal mit hundert megabit pro sekunde
        Kapitel XLII, im XX. Jahrhundert = kapitel zweiundvierzig im zwanzigsten jahrhundert
        3:2, 5 €/kg, 100 Einwohner pro km² = drei zu zwei fünf euro pro kilogramm hundert einwohner pro quadratkilometer
        ein 10-km-Lauf, *seufzt*, #MeToo = ein zehn kilometer lauf seufzt hashtag me too
        19,99 Euro, 1 Euro, 2 Millionen Euro = neunzehn euro neunundneunzig ein euro zwei millionen euro
        Euro 2024 = euro zweitausendvierundzwanzig
        1 Kind, Kapitel 1 und die 1 = ein kind kapitel eins und die eins
        siehe S. 45, Art. 5 und max. 3 = siehe seite fünfundvierzig artikel fünf und maximal drei
        Das war Jan. Nach Art. Sagt Max. = das war jan nach art sagt max
        am 3. Jan. und u. U. v. a. 24/7 = am dritten januar und unter umständen vor allem vierundzwanzig sieben
        21 Katzen = einundzwanzig katzen
        1984 und 2024 = neunzehnhundertvierundachtzig und zweitausendvierundzwanzig
        2.000.000 = zwei millionen
        101 = hunderteins
        3,25 = drei komma zwei fünf
        1.234,5 = tausendzweihundertvierunddreißig komma fünf
        am 3. Mai = am dritten mai
        der 3. Mai = der dritte mai
        der 2. Weltkrieg = der zweite weltkrieg
        Kapitel 3. Dann = kapitel drei dann
        die 90er = die neunziger
        5,50 € = fünf euro fünfzig
        1 € = ein euro
        2,5 Mio. € = zwei komma fünf millionen euro
        3 Millionen Euro = drei millionen euro
        um 14:30 Uhr = um vierzehn uhr dreißig
        um 8 Uhr = um acht uhr
        14.30 Uhr = vierzehn uhr dreißig
        am 05.03.2024 = am fünften märz zweitausendvierundzwanzig
        1 t und 5 km/h = eine tonne und fünf kilometer pro stunde
        20 % bei -5 °C = zwanzig prozent bei minus fünf grad celsius
        030 1234567 = null drei null eins zwei drei vier fünf sechs sieben
        die CDU und die NATO = die ce de u und die nato
        die CDs, die CDU's = die ce des die ce de us
        Es ist As = es ist as
        Ludwig XIV. = ludwig vierzehnter
        z. B. Dr. Müller bzw. Nr. 5 = zum beispiel doktor müller beziehungsweise nummer fünf
        www.beispiel.de = we we we punkt beispiel punkt de e
        3/4 = drei viertel
        5-10 = fünf bis zehn
        """,
    "it": """
        ½ ora = mezza ora
        alle 17.30, la 1a volta, il 3o = alle diciassette e trenta la prima volta il terzo
        Elisabetta II e capitolo XLII = elisabetta seconda e capitolo quarantaduesimo
        16:9, #IoResto = sedici a nove hashtag io resto
        19,99 euro = diciannove euro e novantanove
        1 persona e 1 giorno, canale 1 trasmette = una persona e un giorno canale uno trasmette
        l'avv. Rossi, p. 5, V.le Europa, F.lli Neri = l'avvocato rossi pagina cinque viale europa fratelli neri
        L'11 settembre, l'8 marzo = l undici settembre l otto marzo
        21 gatti = ventuno gatti
        1984 e 2024 = millenovecentottantaquattro e duemilaventiquattro
        2.000.000 = due milioni
        3,25 = tre virgola venticinque
        1.234,5 = milleduecentotrentaquattro virgola cinque
        il 1º maggio = il primo maggio
        la 2ª classe = la seconda classe
        3° piano = terzo piano
        20° = venti gradi
        XX secolo = ventesimo secolo
        Giovanni XXIII = giovanni ventitreesimo
        5,50 € = cinque euro e cinquanta
        1 £ = una sterlina
        $2,5 milioni = due virgola cinque milioni di dollari
        3 mld € = tre miliardi di euro
        alle 10:05 = alle dieci e cinque
        ore 14.30 = ore quattordici e trenta
        il 05/03/2024 = il cinque marzo duemilaventiquattro
        01/01/2000 = primo gennaio duemila
        347 1234567 = tre quattro sette uno due tre quattro cinque sei sette
        20% a -5 °C = venti per cento a meno cinque gradi celsius
        5 km/h = cinque chilometri all'ora
        dell'UE e un'ONG = dell'u e e un'o enne gi
        il DVD e la NATO = il di vu di e la nato
        Sig.ra Rossi, dott. Bianchi ecc. = signora rossi dottor bianchi eccetera
        www.esempio.it = vu vu vu punto esempio punto it
        mario@posta.it = mario chiocciola posta punto it
        1/2 = un mezzo
        5-10 = cinque a dieci
        """,
    "ru": """
        ½ часа = половина часа
        с 1939 по 1945 год = с тысяча девятьсот тридцать девятого по тысяча девятьсот сорок пятый год
        2 или 44 г. до н. э. = два или сорок четвёртого года до нашей эры
        до 1990. = до тысяча девятьсот девяностого
        в 1941–45 гг. = в тысяча девятьсот сорок первом сорок пятый годы
        в XVIII–XIX вв. = в восемнадцатом девятнадцатый веков
        в 988 г., 500 г муки = в девятьсот восемьдесят восьмом году пятьсот граммов муки
        3-летний, 20-процентный, 5-ти, 2-х, 90-летие = трёх летний двадцати процентный пяти двух девяносто летие
        80 кв. м, 100м и 5 июня = восемьдесят квадратных метров сто метров и пятого июня
        Екатерина II, глава XLII, часть I = екатерина вторая глава сорок вторая часть первая
        5 руб./кг, #Москва2020 = пять рублей за килограмм хештег москва две тысячи двадцать
        19,99 рублей, около 5 рублей = девятнадцать рублей девяносто девять около пяти рублей
        2 женщины и 2 недели, 2 раза, 22 минуты = две женщины и две недели два раза двадцать две минуты
        1 минута, 21 год, 1 окно, на 1 минуту = одна минута двадцать один год одно окно на одну минуту
        в 3 странах, с 2 друзьями, к 5 часам, у 5 человек = в трёх странах с двумя друзьями к пяти часам у пяти человек
        около 21 минуты = около двадцати одной минуты
        А. С. Пушкин, с. 45, д. 5, рис. 2 = а эс пушкин страница сорок пять дом пять рисунок два
        сказал им. Варил рис. = сказал им варил рис
        д-р Иванов, г-жа К., XIX в. = доктор иванов госпожа к девятнадцатый век
        21 дом = двадцать один дом
        1234 = тысяча двести тридцать четыре
        1 234 567 = один миллион двести тридцать четыре тысячи пятьсот шестьдесят семь
        3,5 = три целых пять десятых
        1,25 = одна целая двадцать пять сотых
        5-й этаж = пятый этаж
        1-я улица = первая улица
        3-го мая = третьего мая
        90-е годы = девяностые годы
        5,50 ₽ = пять рублей пятьдесят
        2 руб. 51 коп. = два рубля пятьдесят одна копейка
        $2,5 млн = две целых пять десятых миллиона долларов
        22 € = двадцать два евро
        в 10:05 = в десять ноль пять
        в 10:00 = в десять часов
        в 1984 году = в тысяча девятьсот восемьдесят четвёртом году
        1984 год = тысяча девятьсот восемьдесят четвёртый год
        с 1990 г. = с тысяча девятьсот девяностого года
        5 марта = пятое марта
        до 5 марта = до пятого марта
        05.03.2024 = пятое марта две тысячи двадцать четвёртого года
        8 (800) 555-35-35 = восемь восемьсот пятьсот пятьдесят пять тридцать пять тридцать пять
        2 т и 5 км/ч = две тонны и пять километров в час
        21 % при -5 °C = двадцать один процент при минус пять градусов цельсия
        от 5 до 21 км = от пяти до двадцати одного километра
        около 2 т = около двух тонн
        к 7 = к семи
        НАТО и США = нато и эс ша а
        XX век, в XXI веке = двадцатый век в двадцать первом веке
        Пётр I = пётр первый
        www.primer.ru = три дабл ю точка primer точка ру
        т. е. и т.д. = то есть и так далее
        ул. Ленина, № 7 = улица ленина номер семь
        """,
}


@pytest.mark.parametrize(
    ("code", "written", "spoken"),
    [(code, *line.strip().split(" = ")) for code, table in GOLDEN.items() for line in table.strip().splitlines()],
)
def test_golden_readings(code, written, spoken):
    assert " ".join(word.text for word in verbalise(written, code)) == spoken


@pytest.mark.parametrize(
    ("code", "written", "rival"),
    [
        ("es", "200", "doscientas"),
        ("es", "10:45", "once menos cuarto"),
        ("fr", "91", "nonante et un"),
        ("fr", "1984", "dix neuf cent quatre vingt quatre"),
        ("fr", "12:30", "midi et demi"),
        ("de", "1", "einem"),
        ("de", "14:30", "halb drei"),
        ("it", "10:30", "dieci e mezza"),
        ("it", "1", "una"),
        ("ru", "21", "двадцать одну"),
        ("ru", "40", "сорока"),
        ("ru", "10:30", "половина одиннадцатого"),
        ("es", "12 345", "doce trescientos cuarenta y cinco"),
    ],
)
def test_the_audio_may_choose_gender_case_and_region(code, written, rival):
    (slot,) = slots(written, code)
    assert rival in {" ".join(reading) for reading in slot.readings}


@pytest.mark.parametrize("code", ["es-419", "FR", "de_AT", "it-CH", "ru-RU"])
def test_regions_resolve_to_their_language(code):
    assert verbalise("7", code) == verbalise("7", code[:2].lower())
