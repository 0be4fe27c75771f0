"""English word lists for ``verbalise_en``. Several readings of one entry: the likeliest first."""

MONTHS = "january february march april may june july august september october november december".split()

# sign: one, many, hundredth, hundredths
CURRENCIES: dict[str, tuple[str, str, str, str]] = {
    "US$": ("u s dollar", "u s dollars", "cent", "cents"),
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "USD": ("dollar", "dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
}

# After an amount of money.
SCALES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion", "t": "trillion", "tn": "trillion"}

# After a number only.
UNITS: dict[str, tuple[str, str]] = {
    "%": ("percent", "percent"),
    "°": ("degree", "degrees"),
    "°C": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"),
    "¢": ("cent", "cents"),
    "m": ("meter", "meters"),
    "m²": ("square meter", "square meters"),
    "km²": ("square kilometer", "square kilometers"),
    "m³": ("cubic meter", "cubic meters"),
    "m/s": ("meter per second", "meters per second"),
    "g": ("gram", "grams"),
    "µg": ("microgram", "micrograms"),
    "L": ("liter", "liters"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "ha": ("hectare", "hectares"),
    "mm": ("millimeter", "millimeters"),
    "cm": ("centimeter", "centimeters"),
    "km": ("kilometer", "kilometers"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "mg": ("milligram", "milligrams"),
    "kg": ("kilogram", "kilograms"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ft": ("foot", "feet"),
    "ms": ("millisecond", "milliseconds"),
    "min": ("minute", "minutes"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "mins": ("minute", "minutes"),
    "sec": ("second", "seconds"),
    "secs": ("second", "seconds"),
    "s": ("second", "seconds"),
    "yr": ("year", "years"),
    "yrs": ("year", "years"),
    "wks": ("week", "weeks"),
    "mi": ("mile", "miles"),
    "yd": ("yard", "yards"),
    "yds": ("yard", "yards"),
    "sq ft": ("square foot", "square feet"),
    "sq mi": ("square mile", "square miles"),
    "sq km": ("square kilometer", "square kilometers"),
    "nm": ("nanometer", "nanometers"),
    "µm": ("micrometer", "micrometers"),
    "dB": ("decibel", "decibels"),
    "MW": ("megawatt", "megawatts"),
    "GW": ("gigawatt", "gigawatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "kcal": ("kilocalorie", "kilocalories"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "kbps": ("kilobit per second", "kilobits per second"),
    "Mbps": ("megabit per second", "megabits per second"),
    "W": ("watt", "watts"),
    "kW": ("kilowatt", "kilowatts"),
    "V": ("volt", "volts"),
}

# What one has half of.
SHARED = (
    "acre bottle cup day dozen foot gallon hour inch kilometer liter marathon meter mile minute ounce page pint pound "
    "tablespoon teaspoon year"
).split()

# Before a full stop, in any case.
ABBREVIATIONS: dict[str, tuple[str, ...]] = {
    "mr": ("mister",),
    "mrs": ("missus",),
    "ms": ("miz",),
    "dr": ("doctor", "drive"),
    "st": ("saint", "street"),
    "prof": ("professor",),
    "rev": ("reverend",),
    "hon": ("honorable",),
    "gen": ("general",),
    "col": ("colonel",),
    "capt": ("captain",),
    "cmdr": ("commander",),
    "lt": ("lieutenant",),
    "sgt": ("sergeant",),
    "maj": ("major",),
    "gov": ("governor",),
    "sen": ("senator",),
    "rep": ("representative",),
    "jr": ("junior",),
    "sr": ("senior",),
    "messrs": ("messieurs",),
    "ave": ("avenue",),
    "blvd": ("boulevard",),
    "rd": ("road",),
    "hwy": ("highway",),
    "mt": ("mount",),
    "ft": ("fort", "feet"),
    "inc": ("incorporated", "ink"),
    "ltd": ("limited",),
    "co": ("company", "co"),
    "corp": ("corporation", "corp"),
    "dept": ("department",),
    "est": ("established",),
    "ext": ("extension",),
    "approx": ("approximately",),
    "vs": ("versus",),
    "etc": ("etcetera",),
    "jan": ("january",),
    "feb": ("february",),
    "apr": ("april",),
    "aug": ("august",),
    "sept": ("september",),
    "oct": ("october",),
    "nov": ("november",),
    "dec": ("december",),
    "mon": ("monday",),
    "tue": ("tuesday",),
    "tues": ("tuesday",),
    "thu": ("thursday",),
    "thur": ("thursday",),
    "thurs": ("thursday",),
    "fri": ("friday",),
    "bros": ("brothers",),
    "adm": ("admiral",),
    "supt": ("superintendent",),
    "univ": ("university",),
    "pkwy": ("parkway",),
    "ln": ("lane",),
    "rte": ("route",),
}

ADDRESSES = frozenset({"st", "dr", "ft"})
"""Of two readings, the second one where no name follows."""

TITLES_WITHOUT_STOP = frozenset({"Mr", "Mrs", "Ms", "Dr", "St"})
TITLES_IN_ANY_CASE = frozenset({"mr", "mrs", "dr"})

# Before a full stop and a number, in any case.
BEFORE_NUMBERS: dict[str, tuple[str, ...]] = {
    "no": ("number", "no"),
    "vol": ("volume",),
    "vols": ("volumes",),
    "fig": ("figure",),
    "figs": ("figures",),
    "nos": ("numbers",),
    "p": ("page",),
    "pp": ("pages",),
    "ch": ("chapter",),
    "apt": ("apartment",),
    "pt": ("part",),
    "sec": ("section",),
    "para": ("paragraph",),
    "paras": ("paragraphs",),
}

INITIALS: dict[str, tuple[str, ...]] = {"e.g.": ("for example",), "i.e.": ("that is",)}

SYMBOLS: dict[str, tuple[str, ...]] = {
    "&": ("and", "ampersand"),
    "@": ("at",),
    "+": ("plus",),
    "=": ("equals",),
    "*": ("star", "asterisk", ""),
    "%": ("percent",),
    "°": ("degrees",),
    "§": ("section",),
    "×": ("times", "by"),
    "÷": ("divided by",),
    "±": ("plus or minus",),
    "²": ("squared",),
    "³": ("cubed",),
    "½": ("one half", "a half", "and a half"),
    "¼": ("one quarter", "a quarter", "and a quarter"),
    "¾": ("three quarters", "and three quarters"),
    "¢": ("cents", "cent"),
    "/": ("", "slash", "or"),
}

LEADING_APOSTROPHE = ("em", "til", "tis", "twas", "cause", "bout", "round", "n")

# Without a vowel, but said as a word.
SPELLED_NEVER = frozenset("hmm hm mm mmm mhm shh sh psst pst brr nth cwm grr pfft tsk zzz".split())

# With a vowel and no word, so said by letters even where the whole text is in capitals.
SPELLED_ALWAYS = frozenset(
    """
    usa uk eu uae usaf usda ussr fbi cia irs nba nsa nra epa fda dea doj dui ied nyc nypd lapd ucla nyu ibm aol abc
    atm ceo cfo cto gpa iq id iou ufo vip suv diy faq sos gop naacp ymca ywca aarp adhd dna rna hiv mri eeg ekg emt
    ip iax ivr isdn usb cpu gpu api url uri ui io os ai ieee uv
    """.split()
)

# Written in capitals for emphasis, or acronyms that are said as words.
WORDS_IN_CAPITALS = frozenset(
    """
    a i am an and any are as at be but by can did do for from get go had has have he her here him his how if in into
    is it just let me more most my new no not now of off oh ok on one or our out own she so stop that the them then
    they this to too two up us use very was we were what when who why will with yes yet you your all end see may
    pin sip sim ram rom lan wan gif nasa nato opec aids zip dos bios scuba radar laser unix linux
    """.split()
)
