from dataclasses import replace

from ssdbench.analysis.verdicts.sessions import sessions_by_case
from ssdbench.schema.metrics import METRICS
from tests.builders import a_case, a_record


def test_each_run_is_a_session_of_its_usable_launches():
    record = a_record()
    session = record.run_id
    invalid = replace(record, launch=2, invalid_reason="throttled")
    baseline = [record, replace(record, launch=1), invalid, replace(record, run_id="later"), replace(record, launch=3)]
    found = sessions_by_case(baseline, [replace(record, run_id="new"), replace(invalid, run_id="new")])
    (case,) = found.values()
    assert case.metric == METRICS[case.metric.name]
    assert [len(values) for values in case.baseline] == [3, 1]
    assert [len(values) for values in case.candidate] == [1]
    assert session != "later"


def test_only_cases_that_both_sides_have_are_given():
    record, other = a_record(), a_record(case=a_case(batch_size_per_gpu=64))
    assert record.case.key != other.case.key
    assert list(sessions_by_case([record], [other, record])) == [record.case.key]
    assert sessions_by_case([record], [other]) == {}


def test_a_case_whose_launches_are_all_invalid_has_no_session():
    record = a_record()
    found = sessions_by_case([record], [replace(record, invalid_reason="throttled")])
    assert found[record.case.key].candidate == ()
