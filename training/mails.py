"""The SpamAssassin corpus as mails: what a reader sees of each, when it came, and what was known of its sender then."""

import email
import email.errors
import email.header
import email.utils
import json
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass
from html.parser import HTMLParser

import corpus

DATA_SHA256 = "2e495f7a7e2b7426810995d0425235c14a0743c7d36e216a68898f4a8297e658"
DAY = 86_400
# Senders write the Date, and some write nonsense; the first Received is by the server of whoever kept the mail.
DATE_DIFFERS_DAYS_MAX = 2
# Before sanitizing, which keeps 10,000: so that no line of the engine's input is too long for it.
BODY_CHARS_MAX = 100_000
# What a mailing list adds says which list, and here every list is ham: the name in the subject, and the footer.
LIST_NAME = re.compile(r"\[[\w .:-]+\]\s*")
LIST_FOOTER = re.compile(r"^(_{20,}|-{40,})\s*\n(?=.*(mailing list|sponsored by|listinfo))", re.M | re.S)
@dataclass
class Mail:
    subject: str
    body: str
    sender: str
    receivers: frozenset
    # Seconds since the epoch; None if no header says.
    time: float | None
    # Which header the time is from.
    dated_by: str
    label: str
    reply: bool

    @property
    def text(self):
        return f"{self.subject}\n{self.body}"


def read(root):
    lines = corpus.checked(root / "data/spam-mail/mails.ndjson", DATA_SHA256, "spam-mail").splitlines()
    return [parsed(json.loads(line)) for line in lines]


def parsed(record):
    mail = email.message_from_string(record["text"])
    time, dated_by = when(mail)
    label = "spam" if record["group"].startswith("spam") else "not_spam"
    subject = readable(mail["Subject"])
    body = without_footer(body_of(mail))[:BODY_CHARS_MAX]
    receivers = email.utils.getaddresses([readable(v) for name in ("To", "Cc") for v in mail.get_all(name, [])])
    return Mail(
        LIST_NAME.sub("", subject),
        body,
        email.utils.parseaddr(readable(mail["From"]))[1].lower(),
        frozenset(address.lower() for _, address in receivers if address),
        time,
        dated_by,
        label,
        bool(mail["In-Reply-To"]) or subject.lower().startswith("re:"),
    )


def readable(value):
    """A header's words, decoded where they can be."""
    if value is None:
        return ""
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (email.errors.MessageError, LookupError, UnicodeError, ValueError):
        return str(value)


def when(mail):
    """(seconds, header): the Date, or the first Received where there is no Date or the two are days apart."""
    date = seconds(mail["Date"])
    received = next(filter(None, (seconds(str(v).rsplit(";", 1)[-1]) for v in mail.get_all("Received", []))), None)
    if date is None and received is None:
        return None, "none"
    if date is None or (received is not None and abs(date - received) > DATE_DIFFERS_DAYS_MAX * DAY):
        return received, "Received"
    return date, "Date"


def seconds(value):
    try:
        return float(email.utils.mktime_tz(email.utils.parsedate_tz(str(value))))
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def body_of(mail):
    """The plain text if there is one, else what is readable of the HTML."""
    parts = {"text/plain": [], "text/html": []}
    for part in mail.walk():
        if part.get_content_type() in parts and part.get_filename() is None:
            parts[part.get_content_type()].append(decoded(part))
    plain = "\n".join(parts["text/plain"])
    if plain.strip() and "<html" not in plain.lower():
        return plain
    return "\n".join(map(readable_of_html, [*parts["text/html"], plain]))


def decoded(part):
    """In the charset that it names, else as Latin-1, which reads any byte."""
    content = part.get_payload(decode=True) or b""
    try:
        return content.decode(part.get_content_charset() or "latin-1")
    except (LookupError, UnicodeError):
        return content.decode("latin-1")


class Readable(HTMLParser):
    """Text and the targets of links: a reader, or a moderator, sees these; tags would fill the 10,000 characters."""

    SILENT = ("script", "style", "title")

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.words, self.silent = [], 0

    def handle_starttag(self, tag, attrs):
        self.silent += tag in self.SILENT
        self.words += [f" {value} " for name, value in attrs if tag == "a" and name == "href" and value]

    def handle_endtag(self, tag):
        self.silent = max(0, self.silent - (tag in self.SILENT))

    def handle_data(self, data):
        if not self.silent:
            self.words.append(data)


def readable_of_html(text):
    reader = Readable()
    try:
        reader.feed(text)
        reader.close()
    except (AssertionError, ValueError):  # Of declarations that are none; what came before stays.
        pass
    return " ".join(reader.words)


def without_footer(body):
    found = LIST_FOOTER.search(body)
    return body[: found.start()] if found else body


class History:
    """What was known of each sender at a moment: from earlier mails alone."""

    def __init__(self, mails):
        self.of_sender = defaultdict(list)
        for mail in sorted((m for m in mails if m.time is not None and m.sender), key=lambda m: m.time):
            self.of_sender[mail.sender].append(mail)
        self.times = {sender: [mail.time for mail in sent] for sender, sent in self.of_sender.items()}

    def of(self, mail):
        """The sender's record as a feature store would hold it; empty where sender or time is unknown."""
        if mail.time is None or not mail.sender:
            return {}
        times = self.times[mail.sender]
        before = bisect_left(times, mail.time)
        earlier = self.of_sender[mail.sender][:before]
        met = frozenset().union(*(m.receivers for m in earlier))
        record = {
            "account_age_days": (mail.time - times[0]) / DAY if earlier else 0.0,
            "follower_count": float(len(met)),
            "messages_sent_7d": float(before - bisect_left(times, mail.time - 7 * DAY)),
        }
        if earlier:
            record["reply_rate"] = sum(m.reply for m in earlier) / before
            record["mean_message_chars"] = sum(len(m.body) for m in earlier) / before
            record["report_rate"] = sum(m.label == "spam" for m in earlier) / before
        return record


def dating(mails):
    """How many mails have their time from which header."""
    return dict(sorted(Counter(mail.dated_by for mail in mails).items()))
