"""What forms carry: the note that is asked for with an action, and what comes of several at once."""

from flask import abort, flash, request

from dashboard import guard
from dashboard.action_log import Done

NOTE_MIN, NOTE_MAX = 3, 500
TOLD_MAX, TOLD_LETTERS_MAX = 5, 200


def note() -> str:
    """Why; 422 where it says too little, or what no database keeps."""
    text = request.form.get("note", "").strip()
    if not NOTE_MIN <= len(text) <= NOTE_MAX or "\0" in text:
        abort(422, f"Say why, in {NOTE_MIN} to {NOTE_MAX} letters: it is kept.")
    return text


def actor() -> str:
    return guard.operator() or abort(403)


def tell(what: str, results: dict[str, Done]) -> None:
    """One line for all that went well, and one for each that did not, as far as a cookie has room."""
    good = [target for target, done in results.items() if done.is_good]
    if len(good) == 1:
        flash(f"{what}: {results[good[0]].result}", "good")
    elif good:
        flash(f"{what}: {len(good)} done.", "good")
    bad = {target: done for target, done in results.items() if not done.is_good}
    for target, done in list(bad.items())[:TOLD_MAX]:
        flash(f"{what} of {target} {done.outcome}: {done.result[:TOLD_LETTERS_MAX]}", "bad")
    if len(bad) > TOLD_MAX:
        flash(f"{what}: {len(bad) - TOLD_MAX} more were not done; the log tells why.", "bad")
