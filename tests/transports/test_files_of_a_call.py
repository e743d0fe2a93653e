"""The files of the library that take part in a call that moves, at each of its ends."""

from __future__ import annotations

from tests.workflows import Workflow, read_script


def test_few_files_take_part_in_a_warm_call_that_moves(workflow: Workflow) -> None:
    workflow.write({"counting_config.py": read_script("counting_config.py")})
    completed = workflow.run(
        """
        import bandsaw
        import counting_config

        @bandsaw.task(config="counting_config")
        def task(number):
            files = counting_config.of_bandsaw()
            # What follows this call is not counted: the next one begins with a read.
            counting_config.count(until="", beginning="recvmsg")
            return files

        if __name__ == "__main__":
            for number in range(4):
                there = task(number)
            here = counting_config.of_bandsaw()
            print(len(here), *here)
            print(len(there), *there)
        """,
    )
    here, there = completed.stdout.splitlines()

    assert "transports/worker.py" in here
    assert int(here.split()[0]) <= 16, here
    assert "tasks.py" in there
    assert int(there.split()[0]) <= 16, there
