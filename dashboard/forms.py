"""What forms carry: the note that is asked for with an action, and what comes of several at once."""

from flask import abort, flash, request

from dashboard import guard
from dashboard.action_log import Done

NOTE_MIN, NOTE_MAX = 3, 500


def note() -> str:
    """Why; 422 where it says too little."""
    text = request.form.get("note", "").strip()
    if not NOTE_MIN <= len(text) <= NOTE_MAX:
        abort(422, f"Say why, in {NOTE_MIN} to {NOTE_MAX} letters: it is kept.")
    return text


def actor() -> str:
    return guard.operator() or abort(403)


def tell(what: str, results: dict[str, Done]) -> None:
    """A line for each that was refused, and one for all that went well."""
    good = [target for target, done in results.items() if done.is_good]
    if len(good) == 1:
        flash(f"{what}: {results[good[0]].result}", "good")
    elif good:
        flash(f"{what}: {len(good)} done.", "good")
    for target, done in results.items():
        if not done.is_good:
            flash(f"{what} of {target} {done.outcome}: {done.result}", "bad")
