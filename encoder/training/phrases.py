"""What announcers say: sentence frames and words in several languages, put together at random.

Tables and `talk_text`; knows nothing of sound.
"""

from __future__ import annotations

import numpy as np

Words = dict[str, tuple[str, ...]]

FRAMES: dict[str, tuple[str, ...]] = {
    "en": (
        "Good {time} and welcome back to {station}.",
        "It is {hour} o'clock and here is the {news}.",
        "In {city} the {thing} has been {done} for the second time this {period}.",
        "The weather for {city}: {weather}, with {number} degrees in the {time}.",
        "Traffic on the road to {city} is {state} after an accident near the {place}.",
        "You were listening to {artist}, live from the {place} in {city}.",
        "Our next guest has written a book about the {thing} of {city}.",
        "Call us now and win {number} tickets for the {event}.",
        "A spokesman said that the {thing} would be {done} within {number} days.",
        "Stay with us, because after the {news} we talk about the {event}.",
    ),
    "de": (
        "Guten {time} und willkommen zurück bei {station}.",
        "Es ist {hour} Uhr, Sie hören die {news}.",
        "In {city} wurde {thing} zum zweiten Mal in dieser {period} {done}.",
        "Das Wetter in {city}: {weather}, bei {number} Grad.",
        "Auf der Straße nach {city} gibt es wegen eines Unfalls beim {place} noch Stau.",
        "Sie hörten {artist}, aufgenommen im {place} von {city}.",
        "Rufen Sie jetzt an und gewinnen Sie {number} Karten für {event}.",
        "Ein Sprecher teilte mit, {thing} werde in {number} Tagen {done}.",
    ),
    "fr": (
        "Bon {time} et bienvenue sur {station}.",
        "Il est {hour} heures, voici les {news}.",
        "À {city}, {thing} a été {done} pour la deuxième fois cette {period}.",
        "La météo à {city} : {weather}, avec {number} degrés.",
        "La route de {city} est fermée après un accident près du {place}.",
        "Vous écoutiez {artist}, en direct du {place} de {city}.",
        "Appelez maintenant et gagnez {number} places pour {event}.",
    ),
    "es": (
        "Buenas {time} y bienvenidos de nuevo a {station}.",
        "Son las {hour} y estas son las {news}.",
        "En {city}, {thing} ha sido {done} por segunda vez esta {period}.",
        "El tiempo en {city}: {weather}, con {number} grados.",
        "El tráfico hacia {city} es lento después de un accidente cerca del {place}.",
        "Han escuchado a {artist}, en directo desde el {place} de {city}.",
        "Llame ahora y gane {number} entradas para {event}.",
    ),
    "it": (
        "Buona {time} e bentornati su {station}.",
        "Sono le {hour}, ecco le {news}.",
        "A {city} {thing} è stato {done} per la seconda volta questa {period}.",
        "Il tempo a {city}: {weather}, con {number} gradi.",
        "Avete ascoltato {artist}, in diretta dal {place} di {city}.",
        "Chiamate adesso e vincete {number} biglietti per {event}.",
    ),
}
_NAMES: Words = {
    "station": ("Radio Nova", "Harbour F M", "Station Eleven", "Canal Azur", "Welle Nord", "Radio Sole", "City Sound"),
    "city": ("Hamburg", "Lyon", "Bristol", "Valencia", "Torino", "Bergen", "Boston", "Porto", "Graz", "Dublin", "Gent"),
    "artist": ("Anna Meier", "the Paper Kites", "Luca Bianchi", "Marie Dubois", "Carlos Vega", "the Night Ferries"),
}
WORDS: dict[str, Words] = {
    "en": {
        "time": ("morning", "evening", "afternoon"),
        "news": ("news", "headlines", "sport", "programme for tonight"),
        "thing": ("harbour", "old bridge", "council", "school budget", "museum", "railway line", "city garden"),
        "done": ("opened", "closed", "discussed", "repaired", "postponed", "approved"),
        "period": ("week", "month", "year"),
        "weather": ("sunny with a light breeze", "rain from the west", "fog in the valleys", "clear and cold"),
        "state": ("slow", "very heavy", "moving again"),
        "place": ("town hall", "stadium", "concert hall", "river"),
        "event": ("summer festival", "book fair", "cup final", "film week"),
    },
    "de": {
        "time": ("Morgen", "Abend", "Tag"),
        "news": ("Nachrichten", "Schlagzeilen", "Sportmeldungen"),
        "thing": ("die alte Brücke", "das Museum", "der Haushalt", "die Bahnlinie", "der Stadtgarten"),
        "done": ("eröffnet", "geschlossen", "besprochen", "verschoben", "beschlossen"),
        "period": ("Woche",),
        "weather": ("heiter mit leichtem Wind", "Regen aus Westen", "Nebel in den Tälern", "klar und kalt"),
        "place": ("Rathaus", "Stadion", "Bahnhof", "Konzerthaus"),
        "event": ("das Sommerfest", "die Buchmesse", "das Finale"),
    },
    "fr": {
        "time": ("après-midi", "matin"),
        "news": ("nouvelles", "informations"),
        "period": ("semaine", "année"),
        "thing": ("le vieux pont", "le musée", "le budget", "le jardin", "le port"),
        "done": ("ouvert", "fermé", "discuté"),
        "weather": ("du soleil et un vent léger", "de la pluie venant de l'ouest", "un temps clair et froid"),
        "place": ("stade", "théâtre", "musée"),
        "event": ("le festival", "la finale", "le salon du livre"),
    },
    "es": {
        "time": ("tardes", "noches"),
        "news": ("noticias", "novedades"),
        "period": ("semana",),
        "thing": ("el puente viejo", "el museo", "el presupuesto", "el puerto"),
        "done": ("abierto", "cerrado", "aprobado"),
        "weather": ("sol con viento suave", "lluvia del oeste", "cielo despejado y frío"),
        "place": ("estadio", "teatro", "museo"),
        "event": ("el festival", "la final", "la feria del libro"),
    },
    "it": {
        "time": ("sera", "giornata"),
        "news": ("notizie", "novità"),
        "period": ("settimana",),
        "thing": ("il vecchio ponte", "il museo", "il bilancio", "il porto"),
        "done": ("aperto", "chiuso", "approvato"),
        "weather": ("sole con vento leggero", "pioggia da ovest", "sereno e freddo"),
        "place": ("teatro", "museo", "castello"),
        "event": ("il festival", "la finale", "la fiera del libro"),
    },
}
LANGUAGES = tuple(FRAMES)


def talk_text(language: str, sentences: int, rng: np.random.Generator) -> str:
    """So many sentences in a language out of `LANGUAGES`."""
    said = []
    for _ in range(sentences):
        frame = FRAMES[language][int(rng.integers(len(FRAMES[language])))]
        words = {slot: str(rng.choice(options)) for slot, options in (WORDS[language] | _NAMES).items()}
        said.append(frame.format(**words, hour=int(rng.integers(1, 12)), number=int(rng.integers(2, 90))))
    return " ".join(said)
