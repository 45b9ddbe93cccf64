use std::{cell::RefCell, collections::HashMap, hint::black_box, rc::Rc};

use assize::{
    codec::{RecordReader, RecordWriter, wire},
    dedup::{Entry, Identity, Pending},
    drift::{
        observe::{ObservedTask, Observer},
        panes::PredictionPane,
    },
    features::{text, tfidf, vector},
    intake::{self, Heard},
    model::{Model, TILE_ROWS_MAX},
    pipeline::{Batch, Task},
    records::{Message, Prediction, Verdict, schema},
    stream::{Chunk, Outputs, Topic},
};

use crate::{Corpus, Stage};

/// Chunks of one run: as many as a transaction holds under load.
const RUN_CHUNKS: usize = 10;
/// Terms of the vocabulary of characters.
const CHARACTER_TERMS: usize = 20_000;

/// Every stage in the order of the flow, then the whole of them, and what the drift job does with an answer.
pub fn all(corpus: &Corpus) -> Vec<Stage> {
    let sample = Sample::take(corpus);
    vec![
        shape(corpus),
        decode(corpus),
        intake(&sample),
        payload_hash(corpus, &sample),
        identity(&sample),
        dedup(corpus),
        text_features(&sample),
        terms(corpus, &sample),
        characters(&sample),
        row(corpus, &sample),
        score(corpus, &sample),
        decide(corpus, &sample),
        answer_hashes(corpus, &sample),
        verdict(&sample),
        prediction(&sample),
        whole(corpus),
        drift(corpus, &sample),
    ]
}

/// What the stages of one run are given, taken from the pipeline itself.
struct Sample {
    messages: Vec<Message>,
    heard: Rc<[Heard]>,
    raw: Vec<Vec<Option<f64>>>,
    verdicts: Vec<Verdict<'static>>,
    predictions: Vec<Prediction<'static>>,
}

impl Sample {
    fn take(corpus: &Corpus) -> Self {
        let (mut pipeline, windows, mut outputs) = (corpus.pipeline(), corpus.windows(), Outputs::default());
        let (mut batch, mut sample) = (Batch::open(), Self::of(&corpus.messages[..RUN_CHUNKS * 512]));
        let reader = |schema| assize::codec::RecordReader::try_new(schema).expect("the published schema");
        let (verdicts, predictions) = (reader(schema::VERDICT), reader(schema::PREDICTION));
        for chunk in &mut corpus.chunks()[..RUN_CHUNKS] {
            outputs.clear();
            let messages = pipeline.decode(chunk);
            pipeline.judge(chunk, messages, &windows, &mut batch, &mut outputs).expect("a verdict for each");
            for output in outputs.iter() {
                let (_, datum) = wire::split(output.value.unwrap_or_default()).expect("our own record");
                match output.topic {
                    Topic::Verdicts => sample.verdicts.push(verdicts.read(datum).expect("a verdict")),
                    Topic::Predictions => sample.predictions.push(predictions.read(datum).expect("a prediction")),
                    _ => panic!("a message of the collection has another answer than verdict and prediction"),
                }
            }
        }
        sample.raw = sample.predictions.iter().map(|prediction| prediction.features.clone()).collect();
        sample
    }

    fn of(messages: &[Message]) -> Self {
        let heard = messages.iter().cloned().map(|message| intake::hear(message).expect("a good message")).collect();
        Self { messages: messages.to_vec(), heard, raw: Vec::new(), verdicts: Vec::new(), predictions: Vec::new() }
    }

    /// A stage that does something with each heard message.
    fn each_heard(&self, name: &'static str, mut each: impl FnMut(&Heard) + 'static) -> Stage {
        let heard = Rc::clone(&self.heard);
        Stage::new(name, heard.len(), move || heard.iter().for_each(&mut each))
    }
}

/// Lengths and counts of a datum held against its bytes: where its writer has another schema than the published one.
fn shape(corpus: &Corpus) -> Stage {
    let (reader, chunks) = (corpus.reader(), first(corpus));
    Stage::new("shape check", RUN_CHUNKS * 512, move || {
        each_datum(&chunks, |datum| {
            black_box(reader.check(datum)).expect("a good datum");
        });
    })
}

fn decode(corpus: &Corpus) -> Stage {
    let (reader, chunks) = (corpus.reader(), first(corpus));
    Stage::new("decode", RUN_CHUNKS * 512, move || {
        each_datum(&chunks, |datum| {
            black_box(reader.read_message(datum)).expect("a good datum");
        });
    })
}

fn intake(sample: &Sample) -> Stage {
    let messages = sample.messages.clone();
    let todo = Rc::new(RefCell::new(Vec::new()));
    let filled = Rc::clone(&todo);
    let prepare = move || filled.borrow_mut().clone_from(&messages);
    let run = move || {
        for message in todo.borrow_mut().drain(..) {
            black_box(intake::hear(message)).expect("a good message");
        }
    };
    Stage::new("intake", sample.messages.len(), run).preparing(prepare)
}

fn payload_hash(corpus: &Corpus, sample: &Sample) -> Stage {
    let hasher = corpus.shared.hasher.clone();
    sample.each_heard("payload hash", move |heard| {
        black_box(hasher.payload(&heard.text, heard.language.as_str(), &heard.metadata));
    })
}

fn identity(sample: &Sample) -> Stage {
    sample.each_heard("identity", |heard| {
        black_box(Identity::new(heard.user_id, 0, &heard.message_id));
    })
}

/// Looked up in a full window, and added to it as when the transaction commits.
fn dedup(corpus: &Corpus) -> Stage {
    let mut windows = corpus.windows();
    let entries: Vec<(i32, Entry)> = (corpus.chunks().iter().flat_map(Chunk::records).zip(&corpus.messages))
        .map(|(record, message)| {
            let identity = Identity::new(message.user_id, 0, &message.message_id);
            (record.partition, Entry::new(identity, &[0; 16], record.offset, 0))
        })
        .collect();
    let runs = entries.len() / (RUN_CHUNKS * 512);
    let (mut run, mut pending) = (0, Pending::default());
    let mut once = move || {
        for (partition, entry) in &entries[run * RUN_CHUNKS * 512..(run + 1) * RUN_CHUNKS * 512] {
            black_box(windows.seen(&pending, *partition, entry));
            pending.add(*partition, *entry);
        }
        windows.admit(pending.drain());
        run = (run + 1) % runs;
    };
    (0..runs).for_each(|_| once());
    Stage::new("dedup", RUN_CHUNKS * 512, once)
}

fn text_features(sample: &Sample) -> Stage {
    let mut scratch = text::Scratch::default();
    sample.each_heard("text features", move |heard| {
        black_box(text::extract(&heard.text, &mut scratch));
    })
}

/// TF-IDF: a part of the next stage.
fn terms(corpus: &Corpus, sample: &Sample) -> Stage {
    let bundle = corpus.shared.tasks[0].bundle.clone();
    let (mut scratch, mut row) = (tfidf::Scratch::default(), Vec::new());
    sample.each_heard("TF-IDF", move |heard| {
        black_box(bundle.transformer().vectorizers()[0].transform(&heard.text, &mut scratch, &mut row));
    })
}

/// TF-IDF of the 20,000 most frequent n-grams of two to five characters: no part of the whole.
fn characters(sample: &Sample) -> Stage {
    let options =
        tfidf::Options { analyzer: tfidf::Analyzer::Char, ngram_min: 2, ngram_max: 5, ..tfidf::Options::default() };
    let mut counts = HashMap::<String, u32>::new();
    for heard in &*sample.heard {
        let chars: Vec<char> = heard.text.to_lowercase().chars().collect();
        for ngram in (options.ngram_min..=options.ngram_max).flat_map(|n| chars.windows(n)) {
            *counts.entry(ngram.iter().collect()).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(CHARACTER_TERMS);
    counts.sort();
    let terms = counts.into_iter().map(|(term, _)| (term, 1.0)).collect();
    let vectorizer = tfidf::Vectorizer::try_new(terms, options).expect("n-grams of the options");
    let (mut scratch, mut row) = (tfidf::Scratch::default(), Vec::new());
    sample.each_heard("characters", move |heard| {
        black_box(vectorizer.transform(&heard.text, &mut scratch, &mut row));
    })
}

fn row(corpus: &Corpus, sample: &Sample) -> Stage {
    let (bundle, heard, raw) = (corpus.shared.tasks[0].bundle.clone(), Rc::clone(&sample.heard), sample.raw.clone());
    let (mut scratch, mut rows) = (vector::Scratch::default(), vector::Rows::default());
    Stage::new("row", heard.len(), move || {
        for (place, (heard, raw)) in heard.iter().zip(&raw).enumerate() {
            if place % TILE_ROWS_MAX == 0 {
                rows.clear();
            }
            black_box(bundle.transformer().push(raw, &heard.text, &mut scratch, &mut rows));
        }
    })
}

fn score(corpus: &Corpus, sample: &Sample) -> Stage {
    let bundle = corpus.shared.tasks[0].bundle.clone();
    let mut scratch = vector::Scratch::default();
    let mut rows_of = |(heard, raw): (&[Heard], &[Vec<Option<f64>>])| {
        let mut rows = vector::Rows::default();
        for (heard, raw) in heard.iter().zip(raw) {
            bundle.transformer().push(raw, &heard.text, &mut scratch, &mut rows);
        }
        rows
    };
    let chunks: Vec<_> = sample.heard.chunks(512).zip(sample.raw.chunks(512)).map(&mut rows_of).collect();
    let mut model = Model::new(bundle.clone()).expect("memory for a lane");
    Stage::new("score", sample.heard.len(), move || {
        for rows in &chunks {
            model.score(rows).expect("a score for each");
        }
    })
}

/// Calibration and policy.
fn decide(corpus: &Corpus, sample: &Sample) -> Stage {
    let bundle = corpus.shared.tasks[0].bundle.clone();
    let of = |prediction: &Prediction<'_>| prediction.tasks[0].raw.iter().map(|&number| number as f32).collect();
    let raw: Vec<Vec<f32>> = sample.predictions.iter().map(of).collect();
    let mut probabilities = Vec::new();
    Stage::new("decide", raw.len(), move || {
        for raw in &raw {
            probabilities.clear();
            bundle.calibrator().apply(black_box(raw), &mut probabilities);
            black_box(bundle.policy().decide(&probabilities));
        }
    })
}

/// The hashes of text and user in a prediction.
fn answer_hashes(corpus: &Corpus, sample: &Sample) -> Stage {
    let hasher = corpus.shared.hasher.clone();
    sample.each_heard("text and user hash", move |heard| {
        black_box((hasher.text(&heard.text), hasher.user(heard.user_id)));
    })
}

fn verdict(sample: &Sample) -> Stage {
    let (writer, verdicts, mut out) = (RecordWriter::new(1), sample.verdicts.clone(), Vec::new());
    Stage::new("encode verdict", verdicts.len(), move || {
        out.clear();
        verdicts.iter().for_each(|verdict| writer.write(verdict, &mut out));
        black_box(&out);
    })
}

fn prediction(sample: &Sample) -> Stage {
    let (writer, predictions, mut out) = (RecordWriter::new(2), sample.predictions.clone(), Vec::new());
    Stage::new("encode prediction", predictions.len(), move || {
        out.clear();
        predictions.iter().for_each(|prediction| writer.write(prediction, &mut out));
        black_box(&out);
    })
}

/// From encoded messages to encoded verdicts and predictions, a transaction a run, as a lane does it.
fn whole(corpus: &Corpus) -> Stage {
    let (mut pipeline, mut windows, mut chunks) = (corpus.pipeline(), corpus.windows(), corpus.chunks());
    let (mut outputs, mut next, mut spare) = (Outputs::default(), 0, Some(Batch::open()));
    let mut transaction = move || {
        let mut batch = spare.take().map_or_else(Batch::open, Batch::reopen);
        for _ in 0..RUN_CHUNKS {
            let chunk = &mut chunks[next];
            outputs.clear();
            let messages = pipeline.decode(chunk);
            pipeline.judge(chunk, messages, &windows, &mut batch, &mut outputs).expect("a verdict for each");
            assert_eq!(outputs.len(), 2 * chunk.len(), "each message is new");
            next = (next + 1) % chunks.len();
        }
        pipeline.committed(&batch);
        windows.admit(batch.pending.drain());
        spare = Some(batch);
    };
    transaction();
    Stage::new("whole", RUN_CHUNKS * 512, transaction)
}

/// Reads a prediction in place, and counts it in its pane: no part of the whole.
fn drift(corpus: &Corpus, sample: &Sample) -> Stage {
    let Task { name, bundle } = &corpus.shared.tasks[0];
    let reference = bundle.drift_reference().expect("the bundle has a reference");
    let task = ObservedTask { name, digest: bundle.digest(), labels: bundle.policy().labels(), reference };
    let mut observer = Observer::try_new(&[task], &corpus.shared.contract).expect("a reference of this bundle");
    let writer = RecordWriter::new(0);
    let values: Vec<_> = (sample.predictions.iter())
        .map(|prediction| {
            let mut value = Vec::new();
            writer.write(prediction, &mut value);
            value
        })
        .collect();
    let reader = RecordReader::try_new(schema::PREDICTION).expect("the published schema");
    let (mut pane, mut resolved) = (PredictionPane::default(), Vec::new());
    Stage::new("drift", values.len(), move || {
        for value in &values {
            let (_, datum) = wire::split(value).expect("in the wire format");
            let view = reader.read_prediction(datum, &mut resolved).expect("a good datum");
            observer.observe(&view, &mut pane);
        }
    })
}

fn first(corpus: &Corpus) -> Vec<Chunk> {
    corpus.chunks().into_iter().take(RUN_CHUNKS).collect()
}

fn each_datum(chunks: &[Chunk], mut each: impl FnMut(&[u8])) {
    for record in chunks.iter().flat_map(Chunk::records) {
        each(wire::split(record.value.unwrap_or_default()).expect("in the wire format").1);
    }
}
