"""Mails to rows: subject and body as the text, and what the corpus itself tells of a sender before each mail."""

import email
import email.policy
import html
import json
import re
from collections import deque
from datetime import UTC
from email.utils import getaddresses, parseaddr, parsedate_to_datetime

import reference

from tasks import corpus

SHA256 = "2e495f7a7e2b7426810995d0425235c14a0743c7d36e216a68898f4a8297e658"
DAY = 86_400
SENT_DAYS = 7
# A reader reports a mail as spam this long after it came.
REPORT_DELAY = DAY


def read(root):
    """Rows in the order of arrival, each with its `user`: never more than was known when it came."""
    lines = corpus.checked(root / "data/spam-mail/mails.ndjson", SHA256, "spam-mail").splitlines()
    mails = [parsed(json.loads(line)) for line in lines]
    mails = sorted((mail for mail in mails if mail["text"] and mail["time"] is not None), key=lambda mail: mail["time"])
    history = History()
    rows = []
    for mail in mails:
        rows.append(corpus.Row(mail["text"], mail["label"], history.of(mail), mail["time"]))
        history.add(mail)
    return corpus.deduplicate(rows)


def parsed(line):
    mail = email.message_from_string(line["text"], policy=email.policy.compat32)
    text = f"{header(mail, 'Subject')}\n{body(mail)}"
    return {
        "time": arrived(mail),
        "sender": parseaddr(header(mail, "From"))[1].lower(),
        "to": {address.lower() for _, address in getaddresses([header(mail, "To"), header(mail, "Cc")]) if address},
        "id": header(mail, "Message-Id").strip(),
        "answers": set(re.findall(r"<[^<>\s]+>", header(mail, "In-Reply-To") + " " + header(mail, "References"))),
        "label": "spam" if line["group"].startswith("spam") else "not_spam",
        "text": reference.sanitize(text),
    }


def header(mail, name):
    try:
        return str(email.header.make_header(email.header.decode_header(str(mail.get(name, "")))))
    except (LookupError, UnicodeError, email.errors.HeaderParseError):
        return str(mail.get(name, ""))


def body(mail):
    """The first plain part, else the first HTML part without its tags."""
    parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    plain = [part for part in parts if part.get_content_subtype() == "plain"]
    chosen = (plain or parts or [None])[0]
    if chosen is None:
        return ""
    content = chosen.get_payload(decode=True) or b""
    try:
        text = content.decode(chosen.get_content_charset() or "utf-8", "replace")
    except LookupError:  # A charset that nobody knows.
        text = content.decode("latin-1")
    if chosen.get_content_subtype() == "html":
        text = html.unescape(re.sub(r"(?s)<(script|style).*?</\1>|<!--.*?-->|<[^>]*>", " ", text))
    return text


def arrived(mail):
    """Seconds since 1970, by the last server that took the mail; a sender's own Date may lie, and is asked last."""
    for received in mail.get_all("Received", []) + [f";{mail.get('Date', '')}"]:
        try:
            time = parsedate_to_datetime(str(received).rsplit(";", 1)[1].strip())
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
        except (IndexError, TypeError, ValueError):
            continue
    return None


class History:
    """What is known of each sender. Mails are added in the order of arrival, after they were asked about."""

    def __init__(self):
        self.senders, self.sender_of = {}, {}
        self.reports = deque()  # (when it is known, sender)

    def of(self, mail):
        """The features of the mail's sender at its arrival. A first mail has no rates and no mean: they are missing."""
        now = mail["time"]
        while self.reports and self.reports[0][0] <= now:
            self.senders[self.reports.popleft()[1]]["reports"] += 1
        sender = self.senders.get(mail["sender"])
        if sender is None:
            return {"account_age_days": 0.0, "follower_count": 0.0, "messages_sent_7d": 0.0}
        sent = len(sender["times"])
        return {
            "account_age_days": (now - sender["times"][0]) / DAY,
            "follower_count": float(len(sender["to"])),
            "messages_sent_7d": float(sum(time > now - SENT_DAYS * DAY for time in sender["times"])),
            "avg_message_length": sender["characters"] / sent,
            "reply_rate": sender["replies"] / sent,
            "report_rate": sender["reports"] / sent,
        }

    def add(self, mail):
        new = {"times": [], "to": set(), "characters": 0, "replies": 0, "reports": 0}
        sender = self.senders.setdefault(mail["sender"], new)
        sender["times"].append(mail["time"])
        sender["to"] |= mail["to"]
        sender["characters"] += len(mail["text"])
        if mail["id"]:
            self.sender_of[mail["id"]] = mail["sender"]
        for answered in {self.sender_of.get(one) for one in mail["answers"]} - {None, mail["sender"]}:
            self.senders[answered]["replies"] += 1
        if mail["label"] == "spam":
            self.reports.append((mail["time"] + REPORT_DELAY, mail["sender"]))
