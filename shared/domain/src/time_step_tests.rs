use super::*;
use crate::fixtures::*;

#[test]
fn a_step_is_on_for_thirty_seconds_to_the_millisecond() {
    let begins = instant("2025-03-07T00:00:30Z");
    let step = TimeStep::at(begins);
    assert_eq!(step.first_second(), u64::try_from(begins.as_second()).unwrap());
    assert_eq!(TimeStep::at(begins - MILLISECOND).number() + 1, step.number());
    let ends = instant("2025-03-07T00:01:00Z");
    assert_eq!(TimeStep::at(ends - MILLISECOND), step);
    assert_eq!(TimeStep::at(ends).number(), step.number() + 1);
}

/// RFC 6238 Appendix B names the step (`T`, in hexadecimal) of each of its instants.
#[test]
fn the_steps_are_those_of_the_rfc() {
    for (seconds, step) in [
        (59, 0x1),
        (1_111_111_109, 0x0235_23EC),
        (1_111_111_111, 0x0235_23ED),
        (1_234_567_890, 0x0273_EF07),
        (2_000_000_000, 0x03F9_40AA),
        (20_000_000_000, 0x27BC_86AA),
    ] {
        assert_eq!(TimeStep::at(Timestamp::from_second(seconds).unwrap()).number(), step, "{seconds}");
    }
}

#[test]
fn one_step_of_delay_is_taken_and_none_ahead() {
    let now = instant("2025-03-07T00:00:45Z");
    let on = TimeStep::at(now).number();
    assert_eq!(TimeStep::accepted_at(now).map(TimeStep::number), [on - 1, on]);
}

#[test]
fn any_instant_has_a_step() {
    for at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let [before, on] = TimeStep::accepted_at(at);
        assert!(before <= on && on == TimeStep::at(at));
    }
}
