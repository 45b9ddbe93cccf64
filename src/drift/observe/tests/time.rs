use super::*;

#[test]
#[ignore = "prints the time of a prediction"]
fn time_of_a_prediction() {
    let text = crate::features::text::NAMES;
    let union = Contract::try_new(text.iter().filter_map(|name| Feature::text(name)).collect()).unwrap();
    let mut random = crate::decision::tune::Random::new(1);
    let mut draw = move || random.below(1 << 30) as f64 / f64::from(1 << 30);
    let mut column = || Reference::of(&(0..20_000).map(|_| Some(draw())).collect::<Vec<_>>());
    let mut reference = reference(&text);
    reference.baseline.numbers.iter_mut().for_each(|(_, number)| *number = column());
    let labels = labels();
    let task = ObservedTask { name: "spam", digest: OURS, labels: &labels, reference: &reference };
    let mut observer = Observer::try_new(&[task], &union).unwrap();
    let mut random = crate::decision::tune::Random::new(2);
    let mut draw = || random.below(1 << 30) as f64 / f64::from(1 << 30);
    let data: Vec<Vec<u8>> = (0..100_000)
        .map(|index| {
            let mut one = prediction(vec![entry("spam", "live", &[if draw() < 0.1 { "spam" } else { "not_spam" }])]);
            one.message_id = format!("sms-{index:07}").into();
            one.hash_key_id = "2025-01".into();
            one.features = text.iter().map(|_| Some(draw())).collect();
            one.feature_contract = union.id().into();
            one.unknown_term_ratio = Some(draw());
            let spam = draw();
            one.tasks[0].calibrated = vec![1.0 - spam, spam];
            one.tasks[0].raw = one.tasks[0].calibrated.clone();
            let mut datum = Vec::new();
            one.encode(&mut datum);
            datum
        })
        .collect();
    let reader = crate::codec::RecordReader::for_parts(crate::records::schema::PREDICTION).unwrap();
    let (mut pane, mut resolved) = (PredictionPane::default(), Vec::new());
    let mut best = [f64::INFINITY; 2];
    for round in 0..20 {
        let start = std::time::Instant::now();
        for datum in &data {
            let view = std::hint::black_box(reader.read_prediction(datum, &mut resolved)).unwrap();
            if round % 2 == 1 && is_sampled(view.message_id, 1.0) {
                std::hint::black_box(event_ms(&view, 60_000));
                observer.observe(&view, &mut pane);
            }
        }
        let each = start.elapsed().as_nanos() as f64 / data.len() as f64;
        best[round % 2] = best[round % 2].min(each);
    }
    println!("{:.0} ns to read a prediction, {:.0} ns to read and count it", best[0], best[1]);
    assert_eq!(pane.tasks["spam"]["live"].counted, 1_000_000);
}
