import pickle
import resource

import bandsaw


# Hands its bytes over to pickle as a buffer, as an array does.
class Data:
    def __init__(self, content):
        self.content = content

    def __reduce_ex__(self, protocol):
        return Data, (pickle.PickleBuffer(self.content),)


@bandsaw.task
def size(data):
    return len(data.content)


if __name__ == "__main__":
    print(size(Data(b"fits")))
    # Files that grow beyond this fail to be written, as on a full disk.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, limits[1]))
    try:
        size(Data(bytes(10_000_000)))
    except OSError as error:
        print("refused", error.errno is not None)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    print(size(Data(bytes(10_000_000))))
