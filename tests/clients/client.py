"""A producer of messages and a consumer of verdicts and predictions that share no code with Assize.

    client.py pipeline ADDRESS REGISTRY MESSAGES VERDICTS PREDICTIONS DEAD_LETTERS SCHEMA HASH_KEY
        Publishes messages with Confluent's Avro serializer under our schema and under older and newer ones, and holds
        every answer against what the schemas say of it.
    client.py tasks ADDRESS REGISTRY MESSAGES VERDICTS PREDICTIONS SCHEMA TASK=BUNDLE [TASK=BUNDLE ...]
        Publishes texts for several tasks, and decides again from each prediction and the bundle's manifest: the verdict
        must say the same.
    client.py send ADDRESS TOPIC [SETTING=VALUE ...]
        Publishes lines KEY<tab>VALUE from standard input.
"""

import hashlib
import hmac
import json
import sys
import time
from datetime import datetime, timedelta, timezone

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

WAIT_SECONDS_MAX = 60
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SPAM = "WINNER!! You have won a 1000 pound prize, call 09061701461 NOW to claim"


def variants(published):
    """The published schema, and what compatible producers make of it."""

    def fields(change):
        schema = json.loads(published)
        schema["fields"] = change(schema["fields"])
        return json.dumps(schema)

    added = {"name": "client", "type": ["null", "string"], "default": None}
    return {
        "published": published,
        "newer": fields(lambda all: all[:2] + [added] + all[2:]),
        "older": fields(lambda all: [field for field in all if field["name"] not in ("language", "metadata")]),
        "reordered": fields(lambda all: all[::-1]),
        "narrower": fields(lambda all: [field | ({"type": "int"} if field["name"] == "user_id" else {}) for field in all]),
    }


def publish(address, registry, topic, schemas):
    """One message in five ways each, of many users. Returns what was sent by where it lies."""
    producer = Producer({"bootstrap.servers": address, "partitioner": "murmur2_random", "enable.idempotence": True})
    context = SerializationContext(topic, MessageField.VALUE)
    sent = {}

    def delivered(message):
        def callback(error, record):
            assert error is None, error
            sent[record.partition(), record.offset()] = message

        return callback

    for variant, schema in schemas.items():
        serialize = AvroSerializer(registry, schema)
        for number in range(40):
            message = {
                "message_id": f"{variant}-{number}",
                "user_id": 1 + number * number * 7919,
                "text": f"{number}: {SPAM}" if number % 4 == 0 else f"{number}: see you at noon, I bring the book",
                # Also the first and the last that there are.
                "created_at": {5: -62_135_596_800_000, 6: 253_402_300_799_999}.get(number, 1_732_372_800_000 + number),
            }
            if variant != "older":
                message |= {"language": "pt" if number % 3 else None, "metadata": {"channel": "sms", "n": str(number)}}
            if variant == "newer":
                message["client"] = "app" if number % 2 else None
            headers = [("traceparent", TRACE.encode()), ("x-unknown", None)]
            key, revision = None, 0
            if number % 2:
                key, revision = f"ключ-{variant}-{number}", number % 5
                headers += [("idempotency-key", key.encode()), ("assize-revision", str(revision).encode())]
            value = serialize(message, context)
            message |= {"key": key, "revision": revision}
            for _ in range(2 if number == 7 else 1):
                producer.produce(
                    topic, value, key=str(message["user_id"]), headers=headers, on_delivery=delivered(message)
                )
    producer.produce(topic, b"no Avro", key="7", headers=[("x", b"y")], on_delivery=delivered(None))
    assert producer.flush(WAIT_SECONDS_MAX) == 0, "not delivered in time"
    return sent


def read(address, topic, count):
    """At least `count` committed records of a topic, and all that are there by then."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": f"{topic}-python",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    partitions = consumer.list_topics(topic, WAIT_SECONDS_MAX).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    records, deadline = [], time.monotonic() + WAIT_SECONDS_MAX
    while record := consumer.poll(2 if len(records) >= count else max(0, deadline - time.monotonic())):
        assert record.error() is None, record.error()
        records.append(record)
    consumer.close()
    return records


def check_verdict(verdict, record, message):
    user, key = message["user_id"], message["key"] or message["message_id"]
    identity = user.to_bytes(8, "big") + message["revision"].to_bytes(4, "big") + key.encode()
    for name, expected in {
        "message_id": message["message_id"],
        "user_id": user,
        "idempotency_key": message["key"],
        "revision": message["revision"],
        "verdict_id": hashlib.sha256(identity).hexdigest()[:32],
        "source_partition": record.partition(),
        "degraded": [],
        "flags": [],
    }.items():
        assert verdict[name] == expected, (name, verdict[name], expected)
    assert record.key() == str(user).encode()
    assert (verdict["created_at"] - EPOCH) // timedelta(milliseconds=1) == message["created_at"], verdict["created_at"]
    (decision,) = verdict["decisions"]
    assert (decision["task"], decision["kind"], len(decision["model"]["digest"])) == ("spam", "BINARY", 32)
    (score,) = decision["scores"]
    assert 0 <= score["probability"] <= 1 and decision["labels"] in (["spam"], ["not_spam"]), decision
    is_spam = score["probability"] >= score["threshold"]
    assert (decision["labels"] == ["spam"]) == is_spam and (verdict["action"] != "ALLOW") == is_spam, verdict
    assert is_spam == (SPAM in message["text"]), (message, decision)


def check_prediction(prediction, record, message, verdict, hash_key):
    user = hmac.digest(hash_key, message["user_id"].to_bytes(8, "big"), "sha256")[:16]
    for name, expected in {
        "message_id": message["message_id"],
        "idempotency_key": message["key"],
        "revision": message["revision"],
        "user_hash": user,
        # These texts are clean: sanitizing changes nothing.
        "text_hash": hmac.digest(hash_key, message["text"].encode(), "sha256"),
        "language": message.get("language") or "en",
        "action": verdict["action"],
        "decided_at": verdict["decided_at"],
        "user_features": "UNUSED",
    }.items():
        assert prediction[name] == expected, (name, prediction[name], expected)
    assert record.key() == user.hex().encode()
    (task,) = prediction["tasks"]
    assert task["model"] == verdict["decisions"][0]["model"] and task["labels"] == verdict["decisions"][0]["labels"]
    assert max(task["calibrated"]) <= 1 and not task["shadow"]


def by_source(records, deserialize):
    """Decoded records by the place of their message; one each."""
    found = {}
    for record in records:
        value = deserialize(record.value(), SerializationContext(record.topic(), MessageField.VALUE))
        place = value["source_partition"], value["source_offset"]
        assert place not in found, f"two answers to {place}"
        found[place] = value, record
    return found


def pipeline(address, url, messages, verdicts, predictions, dead_letters, schema, hash_key):
    registry = SchemaRegistryClient({"url": url})
    schemas = variants(open(schema, encoding="utf-8").read())
    # So the registry itself refuses a variant that readers of ours could not read.
    registry.register_schema(f"{messages}-value", AvroSerializer(registry, schemas["published"])._schema)
    registry.set_compatibility(f"{messages}-value", "FORWARD_TRANSITIVE")
    sent = publish(address, registry, messages, schemas)
    good = {place: message for place, message in sent.items() if message}
    firsts = {}
    for place, message in sorted(good.items()):
        firsts.setdefault(message["message_id"], place)

    # Without a schema of ours: the registry's.
    deserialize = AvroDeserializer(registry)
    judged = by_source(read(address, verdicts, len(firsts)), deserialize)
    logged = by_source(read(address, predictions, len(firsts)), deserialize)
    assert set(judged) == set(logged) == set(firsts.values()), "one verdict and one prediction for each first message"
    for place, (verdict, record) in judged.items():
        check_verdict(verdict, record, good[place])
        check_prediction(*logged[place], good[place], verdict, hash_key.encode())
    (dead,) = read(address, dead_letters, 1)
    headers = dict(dead.headers())
    place = int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"])
    assert (dead.key(), dead.value(), headers["x"], sent[place]) == (b"7", b"no Avro", b"y", None)
    assert headers["__connect.errors.class.name"] == b"BAD_MAGIC"
    print(f"{len(sent)} messages, {len(judged)} verdicts and predictions")


# Invented. For topics of newswire, tags of news groups, and spam; some are about nothing of the kind.
TEXTS = [
    "opec ministers agreed to cut crude oil output to mln barrels per day as oil prices fell",
    "shr loss cts vs profit cts net loss vs profit revs mln vs mln qtr year",
    "the company said it agreed to acquire all outstanding shares in a merger with the steel maker",
    "tonnes of wheat and maize were sold for shipment in the export season by the grain board",
    "the bank of england said it gave the money market further assistance interest rate rise",
    "port workers strike delayed ships and vessels carrying cargo through the gulf",
    "selling my mac with monitor and video card best offer plus shipping please email",
    "the hockey team won the game in the playoffs nhl season goals and the goalie saved",
    "windows drivers for my graphics card crash when the program opens a window with the mouse",
    "jesus and the church teach that god loves christian people and the bible says faith",
    "nasa launched the space shuttle into orbit around the moon with a satellite",
    "the encryption key of the clipper chip and the government wiretap of private crypto",
    "my car engine needs new oil and the brakes of the bike are worn",
    SPAM,
    "see you at noon",
    "qwxz plugh xyzzy",
]


def publish_texts(address, registry, topic, schema):
    producer = Producer({"bootstrap.servers": address, "partitioner": "murmur2_random", "enable.idempotence": True})
    serialize, context = AvroSerializer(registry, schema), SerializationContext(topic, MessageField.VALUE)
    for number, text in enumerate(TEXTS * 5):
        message = {"message_id": f"text-{number}", "user_id": 1 + number, "text": text, "created_at": 1_732_372_800_000}
        value = serialize(message | {"language": None, "metadata": {}}, context)
        producer.produce(topic, value, key=str(message["user_id"]))
    assert producer.flush(WAIT_SECONDS_MAX) == 0, "not delivered in time"
    return len(TEXTS) * 5


SEVERITY = ["ALLOW", "REVIEW", "BLOCK"]


def decide(manifest, probabilities):
    """Labels, confidence and action, from what the manifest says."""
    decision, of = manifest["decision"], dict(zip(manifest["labels"], probabilities, strict=True))
    if manifest["kind"] == "BINARY":
        positive, other = decision["positive"], next(label for label in of if label != decision["positive"])
        at, bands = of[positive], decision["actions"]
        reached = [action for action in ("review", "block") if bands.get(action) is not None and at >= bands[action]]
        action = max((reached_band.upper() for reached_band in reached), key=SEVERITY.index, default="ALLOW")
        chosen = (positive, at) if at >= decision["threshold"] else (other, 1 - at)
        return [chosen[0]], chosen[1], action
    if manifest["kind"] == "MULTICLASS":
        best = max(of, key=of.get)
        below = decision["abstain_below"]
        sure = below is None or of[best] >= below
        labels, confidence = ([best], of[best]) if sure else ([], None)
    else:
        labels, confidence = [label for label in of if of[label] >= decision["thresholds"][label]], None
    actions = [decision["actions"].get(label, "ALLOW") for label in labels]
    return labels, confidence, max(actions, key=SEVERITY.index, default="ALLOW")


def check_decision(decision, task, manifest):
    labels, confidence, action = decide(manifest, task["calibrated"])
    assert decision["kind"] == manifest["kind"] and decision["task"] == task["task"]
    assert decision["labels"] == task["labels"] == labels, (decision, labels)
    assert decision["confidence"] == confidence, (decision, confidence)
    of = dict(zip(manifest["labels"], task["calibrated"], strict=True))
    told = {score["label"]: score["probability"] for score in decision["scores"]}
    assert all(of[label] == probability for label, probability in told.items()), (told, of)
    assert list(told.values()) == sorted(told.values(), reverse=True)
    if manifest["kind"] != "BINARY":
        assert set(sorted(of, key=of.get)[-3:]) | set(labels) == set(told), (told, of)
        thresholds = [score["threshold"] for score in decision["scores"]]
        expected = manifest["decision"].get("thresholds") or dict.fromkeys(of, manifest["decision"].get("abstain_below"))
        assert thresholds == [expected[label] for label in told], thresholds
    if manifest["kind"] == "MULTICLASS":
        assert abs(sum(task["calibrated"]) - 1) < 1e-5
    return action


def tasks(address, url, messages, verdicts, predictions, schema, *bundles):
    folders = dict(bundle.split("=", 1) for bundle in bundles)
    manifests = {task: json.load(open(f"{folder}/manifest.json", encoding="utf-8")) for task, folder in folders.items()}
    registry = SchemaRegistryClient({"url": url})
    count = publish_texts(address, registry, messages, open(schema, encoding="utf-8").read())
    deserialize = AvroDeserializer(registry)
    judged = by_source(read(address, verdicts, count), deserialize)
    logged = by_source(read(address, predictions, count), deserialize)
    assert len(judged) == len(logged) == count, (len(judged), len(logged))
    labels = {task: [] for task in manifests}
    for place, (verdict, _) in judged.items():
        prediction, _ = logged[place]
        pairs = list(zip(verdict["decisions"], prediction["tasks"], strict=True))
        assert [decision["task"] for decision, _ in pairs] == list(manifests)
        actions = [check_decision(decision, task, manifests[task["task"]]) for decision, task in pairs]
        assert verdict["action"] == prediction["action"] == max(actions, key=SEVERITY.index), (verdict, actions)
        severe = [task for task, action in zip(manifests, actions, strict=True) if action == verdict["action"]]
        assert verdict["decided_by"] == (None if verdict["action"] == "ALLOW" else severe[0])
        for decision, _ in pairs:
            labels[decision["task"]].append(decision["labels"])
    for task, manifest in manifests.items():
        counts = {len(chosen) for chosen in labels[task]}
        # So that no kind passes by never showing what sets it apart.
        needed = {"BINARY": {1}, "MULTICLASS": {0, 1}, "MULTILABEL": {0, 1, 2}}[manifest["kind"]]
        assert counts >= needed, (task, counts)
        print(task, manifest["kind"], sorted({label for chosen in labels[task] for label in chosen}))


def send(address, topic, *settings):
    producer = Producer({"bootstrap.servers": address, **dict(setting.split("=", 1) for setting in settings)})
    for line in sys.stdin.buffer.read().decode().splitlines():
        key, value = line.split("\t")
        producer.produce(topic, value.encode(), key=key.encode())
        producer.poll(0)
    assert producer.flush(WAIT_SECONDS_MAX) == 0, "not delivered in time"


if __name__ == "__main__":
    {"pipeline": pipeline, "tasks": tasks, "send": send}[sys.argv[1]](*sys.argv[2:])
