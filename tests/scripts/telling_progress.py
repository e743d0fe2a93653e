import sys

import bandsaw


@bandsaw.task(chain=sys.argv[1])
def work(depth=0):
    if depth:
        return work(depth - 1)
    for step in range(3):
        bandsaw.progress(step + 1, 3, message=f"step {step}")
    bandsaw.progress(0.5)


if __name__ == "__main__":
    from bandsaw_config import told

    work(int(sys.argv[2]))
    for progress in told:
        print(progress.task, progress.done, progress.total, progress.message)
    print(progress.session.task is work.bandsaw_task)
