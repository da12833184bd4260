"""The ledger: every stored fact's hash as a leaf of an RFC 9162 Merkle tree, so that HQ cannot rewrite history unseen.

Statements carry the tree's size and root. Whoever kept an older pair can check that the newer tree still begins with
the old one (`verify_consistency`) and that a fact lies inside (`verify_inclusion`). Leaves count from 0; a proof is a
list of 32-byte hashes in the order of RFC 9162 §2.1.

Refuses to know: what a leaf means, where leaves are stored, signatures. Appending keeps only the frontier, so it costs
two hashes per leaf whatever the size; proofs are made on request, from the leaves or from stored hashes of the ranges
that `inclusion_ranges` and `consistency_ranges` name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves (RFC 9162 §2.1.1)."""

Range = tuple[int, int]
"""Leaves from the first index up to, not including, the second: one subtree of the RFC's recursive definition."""


class Ledger:
    """A growing tree that remembers only its frontier: the roots of its perfect subtrees, largest first.

    There is one for each bit set in `size`. Store `(size, frontier)` with the commit; `Ledger(size, frontier)` goes on
    from there.
    """

    __slots__ = ("_frontier", "_size")

    def __init__(self, size: int = 0, frontier: Sequence[bytes] = ()) -> None:
        if size < 0 or len(frontier) != size.bit_count() or any(len(root) != HASH_BYTES for root in frontier):
            raise ValueError(f"a frontier of {len(frontier)} hashes does not belong to a tree of {size} leaves")
        self._size = size
        self._frontier = list(frontier)

    @property
    def size(self) -> int:
        return self._size

    @property
    def frontier(self) -> tuple[bytes, ...]:
        return tuple(self._frontier)

    def root(self) -> bytes:
        """The tree's root hash: the frontier folded from the right."""
        if not self._frontier:
            return EMPTY_ROOT
        *lefts, root = self._frontier
        for left in reversed(lefts):
            root = node_hash(left, root)
        return root

    def append(self, leaf: bytes) -> None:
        """Adds one leaf; several at once are cheaper by `extend`."""
        root, frontier, size = sha256(b"\x00" + leaf).digest(), self._frontier, self._size
        self._size = size + 1
        while size & 1:
            root = sha256(b"\x01" + frontier.pop() + root).digest()
            size >>= 1
        frontier.append(root)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Adds leaves in order, level by level: the same tree as appending each, with less Python between hashes."""
        level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
        frontier, size = self._frontier, self._size
        self._size = size + len(level)
        right_edge: list[bytes] = []
        while level:
            if size & 1:
                level.insert(0, frontier.pop())
            if len(level) & 1:
                right_edge.append(level.pop())
            pairs = iter(level)
            level = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
            size >>= 1
        frontier.extend(reversed(right_edge))


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 ‖ leaf)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root hash over these leaves alone, as for a tree or for one range of a larger one."""
    ledger = Ledger()
    ledger.extend(leaves)
    return ledger.root()


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose roots, in this order, prove that leaf `index` is in a tree of `size` leaves (§2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    begin, end = 0, size
    ranges: list[Range] = []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, size: int) -> list[Range]:
    """The ranges whose roots, in this order, prove that `size` leaves begin with the first `old_size` (§2.1.4.1).

    Empty when there is nothing to prove: `old_size` 0 or `size`.
    """
    if not 0 <= old_size <= size:
        raise ValueError(f"a tree of {size} leaves has no older tree of {old_size}")
    if old_size in (0, size):
        return []
    begin, end = 0, size
    ranges: list[Range] = []
    while end != old_size:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin > 0:  # else the old root itself is this subtree, and the verifier has it
        ranges.append((begin, end))
    return ranges[::-1]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf `index` in the tree over `leaves`. Hashes every leaf but one."""
    return [root_of(leaves[begin:end]) for begin, end in inclusion_ranges(index, len(leaves))]


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """The proof that the tree over `leaves` begins with the tree over the first `old_size`."""
    return [root_of(leaves[begin:end]) for begin, end in consistency_ranges(old_size, len(leaves))]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows `leaf` at `index` of the tree with that `size` and `root` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, running = index, size - 1, leaf_hash(leaf)
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            running = node_hash(sibling, running)
            place, last = _climb_out_of_right_edge(place, last)
        else:
            running = node_hash(running, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and running == root


def verify_consistency(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree (`size`, `root`) begins with (`old_size`, `old_root`) (RFC 9162 §2.1.4.2).

    The RFC leaves the empty tree open: here it begins every tree, with its own root and an empty proof.
    """
    if not 0 <= old_size <= size:
        return False
    if old_size == size:
        return old_root == root and not proof
    if old_size == 0:
        return old_root == EMPTY_ROOT and not proof
    path = [old_root, *proof] if old_size.bit_count() == 1 else list(proof)
    if not path:
        return False
    place, last = _shed_ones(old_size - 1, size - 1)
    old_running = new_running = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old_running, new_running = node_hash(sibling, old_running), node_hash(sibling, new_running)
            place, last = _climb_out_of_right_edge(place, last)
        else:
            new_running = node_hash(new_running, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old_running == old_root and new_running == root


def _split(size: int) -> int:
    """The largest power of two below `size`: how many leaves the left subtree holds."""
    return 1 << (size - 1).bit_length() - 1


def _shed_ones(place: int, last: int) -> tuple[int, int]:
    """Climbs while the old tree's last node is a right child: that subtree is shared whole."""
    while place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _climb_out_of_right_edge(place: int, last: int) -> tuple[int, int]:
    """On an uneven right edge a node without sibling is passed up unchanged, until it is a right child again."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last
