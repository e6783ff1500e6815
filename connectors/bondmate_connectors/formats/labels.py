"""The hub's own words in the language of a room; what people wrote stays as it is, with its language before it.

A label is looked up by its English sentence, so that the code reads as what it says; `TABLE` has the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en", "es", "el"]
"""Languages that there are labels in (BCP 47)."""
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
        """Return what somebody wrote, as it is, after its language where that is another: `[el] …`."""
        return text if not text or language is None or self.reads(language) else f"[{_main(language)}] {text}"


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
    "Duress": ("Coacción", "Υπό απειλή"),
    "Assistance": ("Ayuda", "Βοήθεια"),
    "Geofence": ("Límite cruzado", "Πέρασμα ορίου"),
    "Tamper": ("Manipulación", "Παραβίαση"),
    "Low battery": ("Batería baja", "Χαμηλή μπαταρία"),
    "Other": ("Otra alerta", "Άλλη ειδοποίηση"),
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
    "UNANSWERED": ("SIN RESPUESTA", "ΑΝΑΠΑΝΤΗΤΟ"),
    "UNANSWERED: nobody is answering": ("SIN RESPUESTA: nadie responde", "ΑΝΑΠΑΝΤΗΤΟ: κανείς δεν απαντά"),
    "Seen, but no unit is assigned": (
        "Vista, pero no hay unidad asignada", "Το είδαν, αλλά δεν ορίστηκε μονάδα",
    ),
    "Asks for help again: the request to cancel stands no more": (
        "Vuelve a pedir ayuda: la petición de anular ya no vale",
        "Ζητά ξανά βοήθεια: το αίτημα ακύρωσης δεν ισχύει πια",
    ),
    "Go on until a person has seen the officer safe.": (
        "Siga hasta que una persona haya visto a salvo al agente.",
        "Συνεχίστε μέχρι κάποιος να δει τον αστυνομικό ασφαλή.",
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
    "The device asks to cancel: not closed": (
        "El dispositivo pide anular: sigue abierta", "Η συσκευή ζητά ακύρωση: παραμένει ανοιχτή",
    ),
    "Open since before: this room is told only now": (
        "Abierta desde antes: esta sala recibe el aviso ahora", "Ανοιχτή από πριν: το κέντρο ενημερώνεται μόλις τώρα",
    ),
    "Open since before: the officer has come into your area": (
        "Abierta desde antes: el agente ha llegado a su zona", "Ανοιχτή από πριν: ο αστυνομικός ήρθε στην περιοχή σας",
    ),
    "the device asks to cancel; not closed": (
        "el dispositivo pide anular; sigue abierta", "η συσκευή ζητά ακύρωση· παραμένει ανοιχτή",
    ),
    "Goes on after it had been closed": (
        "Continúa después de haber sido cerrada", "Συνεχίζεται αφού είχε κλείσει",
    ),
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
    "Silent: do not call the device": ("Silencio: no llame al dispositivo", "Αθόρυβα: μην καλέσετε τη συσκευή"),
    "Unit: {unit}": ("Unidad: {unit}", "Μονάδα: {unit}"),
    "Pressed {count} times": ("Pulsado {count} veces", "Πατήθηκε {count} φορές"),
    "Battery at {percent} %": ("Batería al {percent} %", "Μπαταρία στο {percent} %"),
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
    "Acknowledge once a person has seen it; say when a unit is assigned.": (
        "Acuse recibo cuando una persona lo haya visto; diga cuándo hay una unidad asignada.",
        "Επιβεβαιώστε όταν το δει άνθρωπος· πείτε πότε ορίστηκε μονάδα.",
    ),
    "Nobody is answering: acknowledge if you can help.": (
        "Nadie responde: acuse recibo si puede ayudar.", "Κανείς δεν απαντά: επιβεβαιώστε αν μπορείτε να βοηθήσετε.",
    ),
    "Say which unit is assigned, or that you have none.": (
        "Diga qué unidad está asignada, o que no tiene ninguna.", "Πείτε ποια μονάδα ορίστηκε, ή ότι δεν έχετε καμία.",
    ),
    "Make sure that the officer is safe; then close the alert, or go on.": (
        "Compruebe que el agente está a salvo; después cierre la alerta, o siga.",
        "Βεβαιωθείτε ότι ο αστυνομικός είναι ασφαλής· μετά κλείστε την ειδοποίηση, ή συνεχίστε.",
    ),
    "A cancel under duress proves nothing: go on until a person has seen the officer safe.": (
        "Una anulación bajo coacción no prueba nada: siga hasta que una persona haya visto al agente a salvo.",
        "Η ακύρωση υπό απειλή δεν αποδεικνύει τίποτα: συνεχίστε ώσπου να δει άνθρωπος τον αστυνομικό ασφαλή.",
    ),
    "Exercise: answer as if it were real, but send nobody.": (
        "Ejercicio: responda como si fuera real, pero no envíe a nadie.",
        "Άσκηση: απαντήστε σαν να ήταν πραγματικό, αλλά μη στείλετε κανέναν.",
    ),
    "Test: acknowledge it; send nobody.": (
        "Prueba: acuse recibo; no envíe a nadie.", "Δοκιμή: επιβεβαιώστε· μη στείλετε κανέναν.",
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
    "Not delivered yet, it is kept": ("Aún no entregado, se conserva", "Δεν παραδόθηκε ακόμη, φυλάσσεται"),
    "Not delivered yet, it is kept: to {whom}": (
        "Aún no entregado, se conserva: a {whom}", "Δεν παραδόθηκε ακόμη, φυλάσσεται: προς {whom}",
    ),
    "Confirmed by the officer": ("Confirmado por el agente", "Επιβεβαιώθηκε από τον αστυνομικό"),
    "Confirmed by {whom}": ("Confirmado por {whom}", "Επιβεβαιώθηκε από: {whom}"),
    "Not confirmed in time": ("No confirmado a tiempo", "Δεν επιβεβαιώθηκε εγκαίρως"),
    "Not confirmed in time by {whom}": (
        "No confirmado a tiempo por {whom}", "Δεν επιβεβαιώθηκε εγκαίρως από: {whom}",
    ),
    "Not sent": ("No enviado", "Δεν στάλθηκε"),
    "Not sent to {whom}": ("No enviado a {whom}", "Δεν στάλθηκε σε: {whom}"),
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
