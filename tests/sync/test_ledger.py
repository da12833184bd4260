"""The ledger is the tree of RFC 9162: its published values, its proofs, and nothing a forger can bend."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.ledger import (
    EMPTY_ROOT,
    Ledger,
    consistency_proof,
    consistency_ranges,
    inclusion_proof,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

properties = settings(deadline=None, max_examples=150, database=None)

# The test tree of the Certificate Transparency reference implementation (RFC 6962), unchanged in RFC 9162.
PUBLISHED_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
PUBLISHED_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
PUBLISHED_PATHS = {
    (0, 1): (),
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
    (1, 5): (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
PUBLISHED_CONSISTENCY = {
    (1, 1): (),
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}


def fact_hashes(count: int) -> list[bytes]:
    """That many different 32-byte leaves."""
    return [sha256(number.to_bytes(4, "big")).digest() for number in range(count)]


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return sha256(b"\x01" + defined_root(leaves[:left]) + defined_root(leaves[left:])).digest()


def flipped(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value, "big") ^ (1 << bit % (8 * len(value)))).to_bytes(len(value), "big")


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots_come_out(size: int) -> None:
    assert root_of(PUBLISHED_LEAVES[:size]).hex() == PUBLISHED_ROOTS[size]


@pytest.mark.parametrize(("place", "expected"), PUBLISHED_PATHS.items())
def test_the_published_audit_paths_come_out_and_verify(place: tuple[int, int], expected: tuple[str, ...]) -> None:
    index, size = place
    proof = inclusion_proof(PUBLISHED_LEAVES[:size], index)
    assert [step.hex() for step in proof] == list(expected)
    assert verify_inclusion(PUBLISHED_LEAVES[index], index, size, proof, bytes.fromhex(PUBLISHED_ROOTS[size]))


@pytest.mark.parametrize(("sizes", "expected"), PUBLISHED_CONSISTENCY.items())
def test_the_published_consistency_proofs_come_out_and_verify(
    sizes: tuple[int, int], expected: tuple[str, ...]
) -> None:
    old_size, size = sizes
    proof = consistency_proof(PUBLISHED_LEAVES[:size], old_size)
    assert [step.hex() for step in proof] == list(expected)
    old_root, root = bytes.fromhex(PUBLISHED_ROOTS[old_size]), bytes.fromhex(PUBLISHED_ROOTS[size])
    assert verify_consistency(old_size, old_root, size, root, proof)


def test_the_seven_leaf_example_of_rfc_9162_holds_node_by_node() -> None:
    leaves = fact_hashes(7)
    a, b, c, d, e, f, j = map(leaf_hash, leaves)
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l_ = node_hash(g, h), node_hash(i, j)
    assert root_of(leaves) == node_hash(k, l_)
    assert inclusion_proof(leaves, 0) == [b, h, l_]
    assert inclusion_proof(leaves, 3) == [c, g, l_]
    assert inclusion_proof(leaves, 4) == [f, j, k]
    assert inclusion_proof(leaves, 6) == [i, k]
    assert consistency_proof(leaves, 3) == [c, d, g, l_]
    assert consistency_proof(leaves, 4) == [l_]
    assert consistency_proof(leaves, 6) == [i, j, k]


@properties
@given(st.lists(st.binary(max_size=40), max_size=70), st.data())
def test_appending_in_any_pieces_equals_the_recursive_definition(leaves: list[bytes], data: st.DataObject) -> None:
    ledger, done = Ledger(), 0
    while done < len(leaves):
        piece = leaves[done : done + data.draw(st.integers(1, len(leaves) - done))]
        ledger.append(piece[0]) if len(piece) == 1 else ledger.extend(piece)
        done += len(piece)
        assert ledger.size == done
        assert ledger.root() == defined_root(leaves[:done])


@properties
@given(st.integers(0, 300), st.integers(0, 300))
def test_a_ledger_restored_from_its_frontier_goes_on_as_if_never_stopped(before: int, after: int) -> None:
    leaves = fact_hashes(before + after)
    first = Ledger()
    first.extend(leaves[:before])
    restored = Ledger(first.size, first.frontier)
    restored.extend(leaves[before:])
    assert (restored.size, restored.root()) == (before + after, root_of(leaves))
    assert len(restored.frontier) == (before + after).bit_count()


def test_extending_by_nothing_changes_nothing() -> None:
    ledger = Ledger()
    ledger.extend(())
    assert (ledger.size, ledger.frontier, ledger.root()) == (0, (), EMPTY_ROOT)


@pytest.mark.parametrize(("size", "frontier"), [(-1, ()), (3, (b"x" * 32,)), (1, (b"x" * 31,)), (0, (b"x" * 32,))])
def test_a_frontier_that_does_not_fit_its_size_is_refused(size: int, frontier: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        Ledger(size, frontier)


def test_a_leaf_can_not_pass_as_a_node() -> None:
    left, right = fact_hashes(2)
    inner = leaf_hash(left) + leaf_hash(right)
    assert root_of([inner]) != root_of([left, right])


def test_every_fact_of_every_tree_up_to_forty_proves_itself() -> None:
    leaves = fact_hashes(40)
    for size in range(1, 41):
        root = root_of(leaves[:size])
        for index in range(size):
            assert verify_inclusion(leaves[index], index, size, inclusion_proof(leaves[:size], index), root)


def test_every_older_tree_of_every_tree_up_to_forty_proves_consistent() -> None:
    leaves = fact_hashes(40)
    roots = [root_of(leaves[:size]) for size in range(41)]
    for size in range(41):
        for old in range(size + 1):
            assert verify_consistency(old, roots[old], size, roots[size], consistency_proof(leaves[:size], old))


@st.composite
def spoiled(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    """The proof with one bit flipped, one step dropped, doubled or added, or two different steps exchanged."""
    ways = ["added"] + (["flipped", "dropped", "doubled"] if proof else []) + (["swapped"] if len(proof) > 1 else [])
    way, at = draw(st.sampled_from(ways)), draw(st.integers(0, max(0, len(proof) - 1)))
    result = list(proof)
    if way == "added":
        result.insert(draw(st.integers(0, len(proof))), draw(st.binary(min_size=32, max_size=32)))
    elif way == "flipped":
        result[at] = flipped(result[at], draw(st.integers(0, 255)))
    elif way == "dropped":
        del result[at]
    elif way == "doubled":
        result.insert(at, result[at])
    else:
        other = (at + 1) % len(result)
        result[at], result[other] = result[other], result[at]
    return result


@properties
@given(st.integers(1, 130), st.data())
def test_a_spoiled_inclusion_proof_fails(size: int, data: st.DataObject) -> None:
    leaves = fact_hashes(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(leaves, index), root_of(leaves)
    assert verify_inclusion(leaves[index], index, size, proof, root)
    assert not verify_inclusion(leaves[index], index, size, data.draw(spoiled(proof)), root)


@properties
@given(st.integers(2, 130), st.data())
def test_a_good_inclusion_proof_fails_for_another_leaf_place_or_root(size: int, data: st.DataObject) -> None:
    leaves = fact_hashes(size)
    index, other = data.draw(st.permutations(range(size)))[:2]
    proof, root = inclusion_proof(leaves, index), root_of(leaves)
    assert not verify_inclusion(leaves[other], index, size, proof, root)
    assert not verify_inclusion(leaves[index], other, size, proof, root)
    assert not verify_inclusion(leaves[index], index, size, proof, flipped(root, other))


@properties
@given(st.integers(2, 130), st.data())
def test_a_spoiled_consistency_proof_fails(size: int, data: st.DataObject) -> None:
    leaves = fact_hashes(size)
    old = data.draw(st.integers(1, size - 1))
    old_root, root, proof = root_of(leaves[:old]), root_of(leaves), consistency_proof(leaves, old)
    assert verify_consistency(old, old_root, size, root, proof)
    assert not verify_consistency(old, old_root, size, root, data.draw(spoiled(proof)))
    assert not verify_consistency(old, flipped(old_root, old), size, root, proof)
    assert not verify_consistency(old, old_root, size, flipped(root, old), proof)


@properties
@given(st.integers(2, 100), st.data())
def test_a_server_that_rewrote_one_old_fact_can_not_prove_consistency(size: int, data: st.DataObject) -> None:
    leaves = fact_hashes(size)
    old = data.draw(st.integers(1, size - 1))
    witnessed = root_of(leaves[:old])
    rewritten = list(leaves)
    at = data.draw(st.integers(0, old - 1))
    rewritten[at] = flipped(rewritten[at], at)
    for history in (leaves, rewritten):
        proof = consistency_proof(history, old)
        assert not verify_consistency(old, witnessed, size, root_of(rewritten), proof)


def test_a_proof_shorter_or_longer_than_its_tree_is_high_fails_even_when_the_hashes_meet() -> None:
    leaves = fact_hashes(4)
    first, second = leaf_hash(leaves[0]), leaf_hash(leaves[1])
    pair = node_hash(first, second)
    assert not verify_inclusion(leaves[0], 0, 4, [second], pair)
    assert not verify_inclusion(leaves[0], 0, 1, [second], node_hash(second, first))
    assert not verify_consistency(1, first, 4, pair, [second])


def test_proofs_that_make_no_sense_are_false_and_not_an_error() -> None:
    leaves = fact_hashes(3)
    root, proof = root_of(leaves), inclusion_proof(leaves, 1)
    assert not verify_inclusion(leaves[1], -1, 3, proof, root)
    assert not verify_inclusion(leaves[1], 3, 3, proof, root)
    assert not verify_inclusion(leaves[1], 0, 0, proof, root)
    assert not verify_inclusion(leaves[1], 1, 3, [step[:31] for step in proof], root)
    assert not verify_consistency(4, root, 3, root, [])
    assert not verify_consistency(-1, root, 3, root, [])
    assert not verify_consistency(3, root, 3, root, [root])
    assert not verify_consistency(3, root_of(leaves[:2]), 3, root, [])
    assert not verify_consistency(0, root, 3, root, [])
    assert not verify_consistency(0, EMPTY_ROOT, 3, root, [root])
    assert not verify_consistency(3, root, 4, root, [])
    assert not verify_consistency(2, root_of(leaves[:2]), 3, root, [b"short"])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 4), (4, 4)])
def test_a_proof_of_a_leaf_that_is_not_there_is_refused(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="is not in a tree"):
        inclusion_ranges(index, size)


@pytest.mark.parametrize(("old_size", "size"), [(-1, 4), (5, 4)])
def test_a_proof_of_an_older_tree_that_never_was_is_refused(old_size: int, size: int) -> None:
    with pytest.raises(ValueError, match="no older tree"):
        consistency_ranges(old_size, size)


def test_a_proof_in_a_tree_of_a_million_names_at_most_twenty_one_ranges() -> None:
    size = 1_000_003
    for index in (0, 1, 524_287, 524_288, size - 1):
        assert len(inclusion_ranges(index, size)) <= 20
        assert len(consistency_ranges(index + 1, size)) <= 21
