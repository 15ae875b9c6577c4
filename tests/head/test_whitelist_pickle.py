import collections
import io
import pickle
import pickletools
import random
import sys
import types
import zipfile

import numpy as np
import pytest
import scipy.sparse
import torch

from face3d.errors import CorruptAssetError, Face3DError, InputError
from face3d.head import whitelist_pickle
from face3d.head.whitelist_pickle import dense_array, read_npy, read_npz, read_pickle
from tests.head.golden import FLAME, GOLDEN, golden


@pytest.fixture
def store(tmp_path):
    def write(content, name="model.pkl"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_chumpy_values_are_read_without_chumpy():
    content = read_pickle(GOLDEN / "flame" / "tiny_chumpy_select.pkl")
    expected = golden("flame/tiny_chumpy_select_expected")
    for name, array in expected.items():
        made = dense_array(content[name])
        np.testing.assert_array_equal(made, array)
        assert made.dtype == array.dtype
    assert content["text"] == "caf\xe9"
    assert "chumpy" not in sys.modules


def test_embeddings_with_tensors_inside_are_read():
    content = read_npy(GOLDEN / "flame" / "landmark_embedding.npy")
    expected = golden("flame/flame_model_arrays")
    for name in ("static", "dynamic", "full"):
        for part in ("lmk_faces_idx", "lmk_bary_coords"):
            made = dense_array(content[f"{name}_{part}"])
            np.testing.assert_array_equal(made, expected[f"{name}_{part}"])
            assert made.dtype == expected[f"{name}_{part}"].dtype


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_python_itself_pickles_is_read(store, protocol):
    rng = np.random.default_rng(0)
    matrix = scipy.sparse.random(5, 9, 0.4, random_state=0)
    written = {
        "plain": rng.normal(size=(3, 2)),
        "fortran": np.asfortranarray(rng.normal(size=(3, 2)).astype(np.float32)),
        "big_endian": np.arange(4, dtype=">i4"),
        "empty": np.zeros((0, 3)),
        "scalar": np.float64(2.5),
        "list": [[1, 2], [3, 4]],
        "csc": matrix.tocsc(),
        "csr": scipy.sparse.csr_array(matrix),
        "ordered": collections.OrderedDict(a=1),
        "tensor": torch.arange(12.0).reshape(3, 4).T[1:],
    }
    read = read_pickle(store(pickle.dumps(written, protocol=protocol)))
    for name in ("plain", "fortran", "big_endian", "empty", "scalar", "list", "tensor"):
        np.testing.assert_array_equal(dense_array(read[name]), np.asarray(written[name]))
    for name in ("csc", "csr"):
        np.testing.assert_array_equal(dense_array(read[name]), matrix.toarray())
    assert read["ordered"] == {"a": 1}


def stream(*operations):
    return b"\x80\x02" + b"".join(operations) + b"."


HOSTILE = {
    "os.system": stream(b"cos\nsystem\n", b"X\x04\x00\x00\x00true\x85R"),
    "builtins.eval": stream(b"cbuiltins\neval\n", b"X\x01\x00\x00\x001\x85R"),
    "__builtin__.getattr": stream(b"c__builtin__\ngetattr\n"),
    "builtins.__import__": stream(b"cbuiltins\n__import__\n", b"X\x02\x00\x00\x00os\x85R"),
    "numpy.load": stream(b"cnumpy\nload\n"),
    "numpy.f2py.compile": stream(b"cnumpy\nf2py.compile\n"),
    "numpy.testing._private.utils.runstring": stream(b"cnumpy.testing._private.utils\nrunstring\n"),
    "torch.load": stream(b"ctorch\nload\n"),
    "face3d.head.whitelist_pickle.pickle.loads": stream(b"cface3d.head.whitelist_pickle\npickle.loads\n"),
    "posix.system": stream(b"(X\x04\x00\x00\x00trueiposix\nsystem\n"),
    "subprocess.Popen": pickle.dumps(1, 4)[:2] + b"\x8c\nsubprocess\x8c\x05Popen\x93.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_names_off_the_list_are_refused_before_anything_runs(store, name):
    path = store(HOSTILE[name])
    with pytest.raises(CorruptAssetError) as raised:
        read_pickle(path)
    assert f"{path}: names {name}," in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_golden_untrusted_pickle_is_refused():
    with pytest.raises(CorruptAssetError, match=r"untrusted_global.pkl: names os\.system_like_class"):
        read_pickle(GOLDEN / "flame" / "untrusted_global.pkl")


def test_a_module_that_only_the_pickle_names_is_not_imported(store, tmp_path, monkeypatch):
    (tmp_path / "trap_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CorruptAssetError):
        read_pickle(store(stream(b"ctrap_module\nanything\n")))
    with pytest.raises(CorruptAssetError):
        read_pickle(store(stream(b"cnumpy.core.trap_module\nanything\n")))
    assert "trap_module" not in sys.modules


def test_a_torch_storage_that_hides_a_pickle_is_refused(store):
    inner = HOSTILE["os.system"]
    outer = b"ctorch.storage\n_load_from_bytes\n" + b"B" + len(inner).to_bytes(4, "little") + inner + b"\x85R"
    with pytest.raises(CorruptAssetError, match="is damaged or is not a pickle"):
        read_pickle(store(stream(outer)))


def test_an_object_array_inside_an_npz_goes_through_the_list_too(store):
    buffer = io.BytesIO()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("trap.npy", header.getvalue() + HOSTILE["os.system"])
    with pytest.raises(CorruptAssetError, match=r"names os\.system"):
        read_npz(store(buffer.getvalue(), "model.npz"))


@pytest.mark.parametrize(
    "operations",
    [
        # Alter what the reader answers with: the array maker, a class, torch's and NumPy's types.
        b"cnumpy.core.multiarray\n_reconstruct\n}X\x0c\x00\x00\x00__defaults__NsN\x86b",
        b"cchumpy.ch\nCh\n}X\x05\x00\x00\x00dense1s1b",
        b"cchumpy.ch\nCh\nN}X\x05\x00\x00\x00denseNs\x86b",
        b"cnumpy\nndarray\n}X\x01\x00\x00\x00aNsb",
        b"cnumpy\ndtype\nN}X\x01\x00\x00\x00aNs\x86b",
        # Numbers that claim to be pointers, structures, and types of unknown names.
        b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R(K\x03X\x01\x00\x00\x00<N)}J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb",
        b"cnumpy\ndtype\nX\x05\x00\x00\x00f8,O8\x85R",
        b"ccollections\nOrderedDict\nN}X\x04\x00\x00\x00keysNs\x86b",
        b"cnumpy\nndarray\n(K\x01tR",
    ],
)
def test_a_pickle_cannot_alter_or_call_what_it_may_only_mention(store, operations):
    before = {name: dict(vars(kind)) for name, kind in vars(whitelist_pickle).items() if isinstance(kind, type)}
    with pytest.raises(CorruptAssetError):
        read_pickle(store(stream(operations)))
    after = {name: dict(vars(kind)) for name, kind in vars(whitelist_pickle).items() if isinstance(kind, type)}
    assert after == before


def test_damaged_files_give_one_line_and_nothing_else(store):
    whole = FLAME.read_bytes()
    for length in (0, 1, 10, 1000, len(whole) // 2, len(whole) - 1):
        path = store(whole[:length])
        with pytest.raises(CorruptAssetError, match="is damaged or is not a pickle") as raised:
            read_pickle(path)
        assert "\n" not in str(raised.value)


def test_altered_bytes_never_escape_as_another_error(store):
    whole = (GOLDEN / "flame" / "tiny_chumpy_select.pkl").read_bytes()
    chance = random.Random(0)
    for _ in range(300):
        altered = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            altered[chance.randrange(len(whole))] = chance.randrange(256)
        try:
            content = read_pickle(store(bytes(altered)))
            for value in content.values() if isinstance(content, dict) else ():
                dense_array(value)
        except Face3DError:
            continue


@pytest.mark.parametrize("value", [types.SimpleNamespace, "text", {"a": 1}, [[1], [1, 2]], None])
def test_what_is_no_array_is_refused(value):
    with pytest.raises(InputError):
        dense_array(value)


def test_contents_that_contradict_themselves_are_refused(store):
    endless = []
    endless.append(endless)
    sparse = scipy.sparse.random(5, 9, 0.4, random_state=0).tocsc()
    sparse.indptr[-1] = 10**9
    content = read_pickle(store(pickle.dumps({"endless": endless, "sparse": sparse}, 2)))
    with pytest.raises(InputError, match="contains itself"):
        dense_array(content["endless"])
    with pytest.raises(InputError, match="contradicts itself"):
        dense_array(content["sparse"])
    never_filled = read_pickle(store(stream(b"cnumpy.core.multiarray\n_reconstruct\n(NNNtR")))
    assert dense_array(never_filled).size == 0


def test_a_chumpy_expression_without_values_is_named(store):
    path = store(stream(b"cchumpy.ch\nMatVecMult\n)\x81}b"))
    with pytest.raises(InputError, match="chumpy value lacks 'x'"):
        dense_array(read_pickle(path))


def test_files_of_other_kinds_are_refused(store, tmp_path):
    for reader in (read_npy, read_npz):
        with pytest.raises(CorruptAssetError, match="is damaged or is not a"):
            reader(store(b"text", "file"))
        with pytest.raises(InputError, match="cannot be read"):
            reader(tmp_path / "none")


def test_the_fixture_names_more_than_one_kind_of_global():
    names = {argument for code, argument, _ in pickletools.genops(FLAME.read_bytes()) if code.name == "GLOBAL"}
    assert {"chumpy.ch Ch", "scipy.sparse.csc csc_matrix", "__builtin__ set"} <= names
