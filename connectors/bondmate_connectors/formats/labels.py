"""The hub's own words in the language of a room; what people wrote stays as it is, with its language before it.

A label is looked up by its English sentence, so that the code reads as what it says; `TABLE` has the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en", "es", "el"]
"""Languages that there are labels in (BCP 47)."""
_NAMES: Final = {"en": "in English", "es": "in Spanish", "el": "in Greek"}
_ORDER: Final[tuple[Language, ...]] = ("es", "el")


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels in one language."""

    language: Language = "en"

    def __call__(self, sentence: str, **values: object) -> str:
        """Return a sentence in the language, with `values` in their places."""
        if self.language != "en" and sentence in TABLE:
            sentence = TABLE[sentence][_ORDER.index(self.language)]
        return sentence.format_map(values) if values else sentence

    def reads(self, language: str | None) -> bool:
        """Return whether who reads the labels reads `language` too; one that nobody has stated is taken to be so."""
        return language is None or _main(language) == self.language

    def text(self, text: str, language: str | None) -> str:
        """Return what somebody wrote, as it is, after its language if that is another: `[el] (in Greek, …) …`."""
        if not text or language is None or self.reads(language):
            return text
        code = _main(language)
        named = self(_NAMES[code]) if code in _NAMES else self("in the language {code}", code=code)
        return f"[{code}] ({named}, {self('not translated')}) {text}"


def _main(language: str) -> str:
    return language.replace("_", "-").split("-")[0].casefold()


ENGLISH: Final = Labels()

TABLE: Final[dict[str, tuple[str, str]]] = {
    # What it is
    "Officer emergency": ("Emergencia de un agente", "Έκτακτη ανάγκη αστυνομικού"),
    "Officer under duress": ("Agente bajo coacción", "Αστυνομικός υπό απειλή"),
    "Officer down": ("Agente caído", "Αστυνομικός πεσμένος"),
    "Officer requests assistance": ("Un agente pide ayuda", "Αστυνομικός ζητά βοήθεια"),
    "Officer crossed a boundary": ("Un agente ha cruzado un límite", "Αστυνομικός πέρασε ένα όριο"),
    "Officer's device tampered with": (
        "Dispositivo de un agente manipulado", "Παραβιάστηκε η συσκευή αστυνομικού",
    ),
    "Battery of an officer's device low": (
        "Batería baja del dispositivo de un agente", "Χαμηλή μπαταρία συσκευής αστυνομικού",
    ),
    "Alert of an officer's device": ("Alerta del dispositivo de un agente", "Ειδοποίηση συσκευής αστυνομικού"),
    "SOS": ("SOS", "SOS"),
    "Assistance": ("Ayuda", "Βοήθεια"),
    "Geofence": ("Límite cruzado", "Πέρασμα ορίου"),
    "Tamper": ("Manipulación", "Παραβίαση"),
    "Low battery": ("Batería baja", "Χαμηλή μπαταρία"),
    "Other": ("Otra alerta", "Άλλη ειδοποίηση"),
    "Officer under duress (threatened or held)": (
        "Agente bajo coacción (amenazado o retenido)", "Αστυνομικός υπό απειλή (απειλείται ή κρατείται)",
    ),
    "Officer down (so says the device; perhaps a fall)": (
        "Agente caído (lo dice el dispositivo; quizá una caída)",
        "Αστυνομικός πεσμένος (το λέει η συσκευή· ίσως πτώση)",
    ),
    "alert {reference}": ("alerta {reference}", "ειδοποίηση {reference}"),
    "send nobody": ("no envíe a nadie", "μη στείλετε κανέναν"),
    "EXERCISE": ("EJERCICIO", "ΑΣΚΗΣΗ"),
    "TEST": ("PRUEBA", "ΔΟΚΙΜΗ"),
    "ENDED": ("TERMINADA", "ΕΛΗΞΕ"),
    "LATE": ("TARDE", "ΚΑΘΥΣΤΕΡΗΜΕΝΟ"),
    "LATE: no longer new when it was delivered": (
        "TARDE: ya no era nuevo cuando se entregó", "ΚΑΘΥΣΤΕΡΗΜΕΝΟ: δεν ήταν πια νέο όταν παραδόθηκε",
    ),
    "POSITION UPDATE": ("NUEVA POSICIÓN", "ΝΕΑ ΘΕΣΗ"),
    "Only the position is new.": ("Solo la posición es nueva.", "Μόνο η θέση είναι νέα."),
    # How it stands
    "ALERT UNANSWERED, NOBODY IS COMING": (
        "ALERTA SIN RESPUESTA, NO ACUDE NADIE", "ΕΙΔΟΠΟΙΗΣΗ ΧΩΡΙΣ ΑΠΑΝΤΗΣΗ, ΔΕΝ ΕΡΧΕΤΑΙ ΚΑΝΕΙΣ",
    ),
    "NO UNIT SENT": ("NINGUNA UNIDAD ENVIADA", "ΔΕΝ ΣΤΑΛΘΗΚΕ ΜΟΝΑΔΑ"),
    "NO UNIT SENT: a room has read it and assigned none": (
        "NINGUNA UNIDAD ENVIADA: una sala la ha leído y no ha asignado ninguna",
        "ΔΕΝ ΣΤΑΛΘΗΚΕ ΜΟΝΑΔΑ: ένα κέντρο το διάβασε και δεν όρισε καμία",
    ),
    "SILENT ALARM, DO NOT CALL": ("ALARMA SILENCIOSA, NO LLAME", "ΑΘΟΡΥΒΟΣ ΣΥΝΑΓΕΡΜΟΣ, ΜΗΝ ΚΑΛΕΣΕΤΕ"),
    "NO LONGER SILENT": ("YA NO ES SILENCIOSA", "ΔΕΝ ΕΙΝΑΙ ΠΙΑ ΑΘΟΡΥΒΟΣ"),
    "NO LONGER SILENT: the officer has pressed aloud": (
        "YA NO ES SILENCIOSA: el agente ha pulsado con sonido", "ΔΕΝ ΕΙΝΑΙ ΠΙΑ ΑΘΟΡΥΒΟΣ: ο αστυνομικός πάτησε με ήχο",
    ),
    "CORRECTION: NOT the same incident as an earlier alert; it needs help of its own": (
        "CORRECCIÓN: NO es el mismo incidente que una alerta anterior; necesita ayuda propia",
        "ΔΙΟΡΘΩΣΗ: ΔΕΝ είναι το ίδιο συμβάν με προηγούμενη ειδοποίηση· χρειάζεται δική του βοήθεια",
    ),
    "Asks for help again: the request to cancel stands no more": (
        "Vuelve a pedir ayuda: la petición de anular ya no vale",
        "Ζητά ξανά βοήθεια: το αίτημα ακύρωσης δεν ισχύει πια",
    ),
    "Keep it open until a person has seen the officer safe.": (
        "Manténgala abierta hasta que una persona haya visto a salvo al agente.",
        "Αφήστε την ανοιχτή μέχρι κάποιος να δει τον αστυνομικό ασφαλή.",
    ),
    "Nothing is heard of the device any more": (
        "Ya no se sabe nada del dispositivo", "Δεν ακούγεται πια τίποτα από τη συσκευή",
    ),
    "The device was revoked: it may be in other hands, and nothing from it counts any more": (
        "El dispositivo fue revocado: puede estar en otras manos, y nada que venga de él cuenta ya",
        "Η συσκευή ανακλήθηκε: ίσως είναι σε άλλα χέρια, και τίποτα από αυτήν δεν μετρά πια",
    ),
    "REAL emergency, from a device of an exercise: so is its position": (
        "Emergencia REAL, desde un dispositivo de un ejercicio: también su posición",
        "ΠΡΑΓΜΑΤΙΚΗ έκτακτη ανάγκη, από συσκευή άσκησης: και η θέση της",
    ),
    "Says that it is REAL, which this device may not say: ask at once": (
        "Dice que es REAL, lo que este dispositivo no puede decir: pregunte enseguida",
        "Λέει ότι είναι ΠΡΑΓΜΑΤΙΚΟ, κάτι που αυτή η συσκευή δεν μπορεί να πει: ρωτήστε αμέσως",
    ),
    "A check-in was due, and none came in time": (
        "Se esperaba un aviso y no llegó a tiempo", "Αναμενόταν αναφορά και δεν ήρθε εγκαίρως",
    ),
    "From the replaced device: nobody knows who has it": (
        "Desde el dispositivo sustituido: nadie sabe quién lo tiene",
        "Από τη συσκευή που αντικαταστάθηκε: κανείς δεν ξέρει ποιος την έχει",
    ),
    "Started by a control room: the officer had not pressed": (
        "Iniciada por una sala: el agente no ha pulsado", "Κηρύχθηκε από κέντρο: ο αστυνομικός δεν είχε πατήσει",
    ),
    "Confirmed as an emergency": ("Confirmada como emergencia", "Επιβεβαιώθηκε ως έκτακτη ανάγκη"),
    "Nobody has renewed it in time: its position is not followed any more": (
        "Nadie la ha renovado a tiempo: ya no se sigue su posición",
        "Κανείς δεν την ανανέωσε εγκαίρως: η θέση της δεν παρακολουθείται πια",
    ),
    "Not confirmed: to be renewed or confirmed by {time} UTC": (
        "Sin confirmar: renovar o confirmar antes de las {time} UTC",
        "Ανεπιβεβαίωτη: ανανέωση ή επιβεβαίωση ως τις {time} UTC",
    ),
    "Position withheld until the emergency is confirmed": (
        "Posición retenida hasta que se confirme la emergencia",
        "Η θέση δεν δίνεται πριν επιβεβαιωθεί η έκτακτη ανάγκη",
    ),
    "The device is heard again": ("El dispositivo vuelve a dar señales", "Η συσκευή ακούγεται ξανά"),
    "Said under duress": ("Dicho bajo coacción", "Ειπώθηκε υπό απειλή"),
    "STILL OPEN, the device asks to cancel": (
        "SIGUE ABIERTA, el dispositivo pide anular", "ΠΑΡΑΜΕΝΕΙ ΑΝΟΙΧΤΗ, η συσκευή ζητά ακύρωση",
    ),
    "Open since before: this room is told only now": (
        "Abierta desde antes: esta sala recibe el aviso ahora", "Ανοιχτή από πριν: το κέντρο ενημερώνεται μόλις τώρα",
    ),
    "Open since before: the officer has come into your area": (
        "Abierta desde antes: el agente ha llegado a su zona", "Ανοιχτή από πριν: ο αστυνομικός ήρθε στην περιοχή σας",
    ),
    "STILL OPEN": ("SIGUE ABIERTA", "ΠΑΡΑΜΕΝΕΙ ΑΝΟΙΧΤΗ"),
    "the device asks to cancel": ("el dispositivo pide anular", "η συσκευή ζητά ακύρωση"),
    "OPEN AGAIN": ("ABIERTA DE NUEVO", "ΑΝΟΙΞΕ ΞΑΝΑ"),
    "OPEN AGAIN: it had been closed, and the device called again": (
        "ABIERTA DE NUEVO: se había cerrado y el dispositivo ha vuelto a llamar",
        "ΑΝΟΙΞΕ ΞΑΝΑ: είχε κλείσει και η συσκευή κάλεσε πάλι",
    ),
    "an alert of its own, answer it too": (
        "es otra alerta, respóndala también", "είναι άλλη ειδοποίηση, απαντήστε και σε αυτήν",
    ),
    "With the offer: {words}": ("Con la oferta: {words}", "Με την προσφορά: {words}"),
    "In their words: {words}": ("En sus palabras: {words}", "Με δικά τους λόγια: {words}"),
    "not translated": ("sin traducir", "αμετάφραστο"),
    "in English": ("en inglés", "στα αγγλικά"),
    "in Spanish": ("en español", "στα ισπανικά"),
    "in Greek": ("en griego", "στα ελληνικά"),
    "in the language {code}": ("en el idioma {code}", "στη γλώσσα {code}"),
    "Same incident as {reference}": ("Mismo incidente que {reference}", "Ίδιο συμβάν με: {reference}"),
    "an earlier alert": ("una alerta anterior", "προηγούμενη ειδοποίηση"),
    "the same officer": ("el mismo agente", "ο ίδιος αστυνομικός"),
    "the same unit": ("la misma unidad", "η ίδια μονάδα"),
    "Owned by {agency}": ("Responsable: {agency}", "Υπεύθυνη: {agency}"),
    "Offered to {agency}": ("Ofrecida a {agency}", "Προσφέρθηκε σε: {agency}"),
    "Ended by {who}: {why}": ("Terminada por {who}: {why}", "Έληξε από: {who}, {why}"),
    "the device": ("el dispositivo", "τη συσκευή"),
    "the hub": ("el sistema", "το σύστημα"),
    "another room": ("otra sala", "άλλο κέντρο"),
    "resolved": ("resuelta", "επιλύθηκε"),
    "called off": ("anulada", "ανακλήθηκε"),
    "false alarm": ("falsa alarma", "ψευδής συναγερμός"),
    "nobody answered in time": ("nadie respondió a tiempo", "κανείς δεν απάντησε εγκαίρως"),
    "Silent: do not call, radio or message the officer or anybody near; no siren": (
        "Alarma silenciosa: no llame ni escriba al agente ni a nadie cerca, tampoco por radio; sin sirena",
        "Αθόρυβα: μην καλέσετε, ούτε με ασύρματο, και μη γράψετε σε αυτόν ή σε κανέναν κοντά· χωρίς σειρήνα",
    ),
    "What you answer here makes no sound there.": (
        "Lo que responda aquí no suena allí.", "Ό,τι απαντήσετε εδώ δεν ακούγεται εκεί.",
    ),
    "Officer's own unit: {unit}": ("Unidad del propio agente: {unit}", "Μονάδα του ίδιου του αστυνομικού: {unit}"),
    "Pressed {count} times": ("Botón pulsado {count} veces", "Το κουμπί πατήθηκε {count} φορές"),
    "Device battery at {percent} %: it may soon go silent": (
        "Batería del dispositivo al {percent} %: puede callar pronto",
        "Μπαταρία της συσκευής στο {percent} %: ίσως σιγήσει σύντομα",
    ),
    "Since {time} UTC": ("Desde las {time} UTC", "Από τις {time} UTC"),
    # What other rooms say
    "NEWS OF OTHER ROOMS": ("NOTICIAS DE OTRAS SALAS", "ΝΕΑ ΑΛΛΩΝ ΚΕΝΤΡΩΝ"),
    "seen": ("visto", "το είδαν"),
    "assigned": ("unidad asignada", "ορίστηκε μονάδα"),
    "on its way": ("en camino", "καθ' οδόν"),
    "on scene": ("en el lugar", "στο σημείο"),
    "not coming": ("no acude", "δεν έρχεται"),
    "took its help back, NOT coming": ("retira su ayuda, NO acude", "απέσυρε τη βοήθεια, ΔΕΝ έρχεται"),
    "closed its part, called off": ("cerró su parte, anulada", "έκλεισε το μέρος του, ανακλήθηκε"),
    "closed its part, resolved": ("cerró su parte, resuelta", "έκλεισε το μέρος του, επιλύθηκε"),
    "unit {unit}": ("unidad {unit}", "μονάδα {unit}"),
    "ETA {time} UTC": ("llegada prevista {time} UTC", "άφιξη {time} UTC"),
    "by {who}": ("por {who}", "από {who}"),
    # Where
    "Position": ("Posición", "Θέση"),
    "Last known position": ("Última posición conocida", "Τελευταία γνωστή θέση"),
    "Position of the officer's device": ("Posición del dispositivo del agente", "Θέση της συσκευής του αστυνομικού"),
    "Last known position of the officer's device": (
        "Última posición conocida del dispositivo del agente",
        "Τελευταία γνωστή θέση της συσκευής του αστυνομικού",
    ),
    "Position unknown": ("Posición desconocida", "Άγνωστη θέση"),
    "Position withheld by agreement": (
        "Posición no comunicada, según lo acordado", "Η θέση δεν δίνεται, κατά τη συμφωνία",
    ),
    "{age} old": ("de hace {age}", "πριν από {age}"),
    "accuracy unknown": ("precisión desconocida", "άγνωστη ακρίβεια"),
    "within {metres} m": ("con error de {metres} m", "με ακρίβεια {metres} m"),
    # What is asked
    "Confirm that a person has read this.": (
        "Confirme que una persona lo ha leído.", "Επιβεβαιώστε ότι το διάβασε άνθρωπος.",
    ),
    "As soon as you send a unit, say which.": (
        "En cuanto envíe una unidad, diga cuál.", "Μόλις στείλετε μονάδα, πείτε ποια.",
    ),
    "Say which unit you send, or that you have none; to have read it is not enough.": (
        "Diga qué unidad envía, o que no tiene ninguna; haberla leído no basta.",
        "Πείτε ποια μονάδα στέλνετε, ή ότι δεν έχετε καμία· δεν αρκεί ότι το διαβάσατε.",
    ),
    "Who asks is not known: close it only once you know that the officer is safe.": (
        "No se sabe quién lo pide: ciérrela solo cuando sepa que el agente está a salvo.",
        "Δεν είναι γνωστό ποιος το ζητά: κλείστε την μόνο όταν ξέρετε ότι ο αστυνομικός είναι ασφαλής.",
    ),
    "A cancel under duress proves nothing: keep it open until a person has seen the officer safe.": (
        "Una anulación bajo coacción no prueba nada: sigue abierta hasta que una persona haya visto al agente a salvo.",
        "Η ακύρωση υπό απειλή δεν αποδεικνύει τίποτα: αφήστε την ανοιχτή ώσπου να δει άνθρωπος τον αστυνομικό ασφαλή.",
    ),
    "Exercise: send nobody; name the unit that you would send.": (
        "Ejercicio: no envíe a nadie; diga qué unidad enviaría.",
        "Άσκηση: μη στείλετε κανέναν· πείτε ποια μονάδα θα στέλνατε.",
    ),
    "Test: send nobody.": ("Prueba: no envíe a nadie.", "Δοκιμή: μη στείλετε κανέναν."),
    "This says only that you have read it": ("Solo dice que lo ha leído", "Λέει μόνο ότι το διαβάσατε"),
    "When a unit goes write: {word} {reference}": (
        "Cuando vaya una unidad escriba: {word} {reference}", "Όταν φύγει μονάδα γράψτε: {word} {reference}",
    ),
    "If you have none write: {word} {reference}": (
        "Si no tiene ninguna escriba: {word} {reference}", "Αν δεν έχετε καμία γράψτε: {word} {reference}",
    ),
    "To acknowledge write: {word} {reference}": (
        "Para acusar recibo escriba: {word} {reference}", "Για επιβεβαίωση γράψτε: {word} {reference}",
    ),
    # Messages and incidents
    "Message to an officer": ("Mensaje a un agente", "Μήνυμα προς αστυνομικό"),
    "Message from an officer": ("Mensaje de un agente", "Μήνυμα από αστυνομικό"),
    "To {who}": ("Para {who}", "Προς {who}"),
    "Closed": ("Cerrado", "Έκλεισε"),
    "Cancelled": ("Anulado", "Ακυρώθηκε"),
    "Not delivered yet: still trying": (
        "Aún no entregado: se sigue intentando", "Δεν παραδόθηκε ακόμη: η προσπάθεια συνεχίζεται",
    ),
    "Not delivered yet to {whom}: still trying": (
        "Aún no entregado a {whom}: se sigue intentando", "Δεν παραδόθηκε ακόμη σε {whom}: η προσπάθεια συνεχίζεται",
    ),
    "NEVER arrived, and is not tried any more": (
        "NUNCA llegó, y ya no se intenta", "ΔΕΝ έφτασε ποτέ, και η προσπάθεια σταμάτησε",
    ),
    "NEVER reached {whom}, and is not tried any more": (
        "NUNCA llegó a {whom}, y ya no se intenta", "ΔΕΝ έφτασε ποτέ σε {whom}, και η προσπάθεια σταμάτησε",
    ),
    "Not sent: nobody has this name": (
        "No enviado: nadie tiene ese nombre", "Δεν στάλθηκε: κανείς δεν έχει αυτό το όνομα",
    ),
    "Not sent: nobody is called {whom}": (
        "No enviado: nadie se llama {whom}", "Δεν στάλθηκε: κανείς δεν λέγεται {whom}",
    ),
    "Confirmed by the officer": ("Confirmado por el agente", "Επιβεβαιώθηκε από τον αστυνομικό"),
    "Confirmed by {whom}": ("Confirmado por {whom}", "Επιβεβαιώθηκε από: {whom}"),
    "Not confirmed in time": ("No confirmado a tiempo", "Δεν επιβεβαιώθηκε εγκαίρως"),
    "Not confirmed in time by {whom}": (
        "No confirmado a tiempo por {whom}", "Δεν επιβεβαιώθηκε εγκαίρως από: {whom}",
    ),
    "Not sent": ("No enviado", "Δεν στάλθηκε"),
    "Not sent to {whom}": ("No enviado a {whom}", "Δεν στάλθηκε σε: {whom}"),
    "still trying": ("se sigue intentando", "η προσπάθεια συνεχίζεται"),
    "it is on the device": ("está en el dispositivo", "είναι στη συσκευή"),
    "it was opened, and not confirmed": ("se abrió y no se confirmó", "ανοίχτηκε και δεν επιβεβαιώθηκε"),
    "confirmed": ("confirmado", "επιβεβαιώθηκε"),
    "it NEVER arrived, and is not tried any more": (
        "NUNCA llegó, y ya no se intenta", "ΔΕΝ έφτασε ποτέ, και η προσπάθεια σταμάτησε",
    ),
    "not sent, nobody has this name": (
        "no enviado, nadie tiene ese nombre", "δεν στάλθηκε, κανείς δεν έχει αυτό το όνομα",
    ),
    "Shown silently: the officer is under duress, do not call": (
        "Mostrado en silencio: el agente está bajo coacción, no llame",
        "Εμφανίστηκε αθόρυβα: ο αστυνομικός απειλείται, μην καλέσετε",
    ),
    "Your answer does not count": ("Su respuesta no cuenta", "Η απάντησή σας δεν μετρά"),
    "What you placed does not count": ("Lo que ha colocado no cuenta", "Αυτό που τοποθετήσατε δεν μετρά"),
    "Message to {who}": ("Mensaje a {who}", "Μήνυμα προς: {who}"),
    "Message from {who}": ("Mensaje de {who}", "Μήνυμα από: {who}"),
    "Incident": ("Incidente", "Συμβάν"),
    "Community concern": ("Inquietud ciudadana", "Ανησυχία πολίτη"),
    "Observation": ("Observación", "Παρατήρηση"),
    "Public warning": ("Aviso a la población", "Προειδοποίηση κοινού"),
    "Marker": ("Marca", "Σήμανση"),
}  # fmt: skip
"""Spanish and Greek of each sentence."""
