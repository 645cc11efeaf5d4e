"""On a real cluster of Flink: its machines come and go, and jobs do what they do on one machine."""

import urllib.request


def slots(flink):
    return [one["slotsNumber"] for one in flink.ask("taskmanagers")["taskmanagers"]]


def test_a_cluster_has_its_slots_back_when_a_killed_task_manager_is_started_again(flink):
    assert slots(flink) == [2, 2]
    flink.kill_task_manager(1)
    flink.start_task_manager(1)
    assert slots(flink)[-2:] == [2, 2]  # until it is missed, the killed one is listed too


def test_prometheus_fetches_metrics_of_each_process_of_the_cluster(flink):
    for number, address in enumerate(flink.metrics):
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            found = answer.read().decode()
        assert f"flink_{'taskmanager' if number else 'jobmanager'}_Status_JVM_CPU_Load" in found
