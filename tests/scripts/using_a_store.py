# Does what a cache does, until it is killed or has done it often enough. Whatever it
# reads is whole and says of which call it is the result.
import random
import sys

from bandsaw.stores import LocalStore
from bandsaw.stores.entries import Entry, pack
from bandsaw.stores.pruning import prune

directory, seed, rounds = sys.argv[1], *map(int, sys.argv[2:])
store = LocalStore(directory)
chance = random.Random(seed)
print("ready", flush=True)
for _ in range(rounds):
    number = chance.randrange(20)
    name = f"task{number % 3}/{number:016x}"
    choice = chance.random()
    if choice < 0.02:
        prune(store, max_size=chance.choice([100_000, 1_000_000]))
    elif choice < 0.05:
        store.remove(name)
    elif choice < 0.5:
        content = store.read(name)
        if content is not None:
            entry = Entry(content)
            entry.verify()
            assert entry.record["number"] == number
            assert bytes(entry.value) == bytes([number]) * len(entry.value)
            store.note_use(name)
    else:
        value = bytes([number]) * chance.choice([10, 1_000, 100_000])
        buffers = [memoryview(bytes(70_000))] if chance.random() < 0.2 else []
        with store.alone(name, 0.01):
            key, record = f"{number:064x}", {"number": number}
            store.write(name, pack(value, buffers, record, key, key, 1.0))
