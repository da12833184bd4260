// A plain uncompressed ZIP (PKWARE APPNOTE 6.3): several files in one that any computer opens. Photos are compressed already.
// Reads only what it writes: stored entries, no ZIP64, no encryption. Refuses to know what the files are.

import { type Bytes, concat, fromUtf8, utf8 } from "./bytes";

export interface Entry { name: string; bytes: Bytes }

const LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50;
const LOCAL_BYTES = 30, CENTRAL_BYTES = 46, END_BYTES = 22;
const UTF8_NAMES = 0x0800;
const VERSION = 20;
const FIRST_OF_1980 = 0x0021;

/** The parts of the file, in order; large entries are not copied. */
export function zip(entries: readonly Entry[]): Bytes[] {
  const parts: Bytes[] = [];
  const index: Bytes[] = [];
  let at = 0;
  for (const { name, bytes } of entries) {
    const told = { name: utf8(name), crc: crc32(bytes), size: bytes.length };
    index.push(central(told, at));
    parts.push(local(told), bytes);
    at += LOCAL_BYTES + told.name.length + bytes.length;
  }
  const directory = concat(...index);
  return [...parts, directory, end(entries.length, directory.length, at)];
}

/** The entries, or null for anything that is not such a file or is damaged. */
export function unzip(file: Bytes): Entry[] | null {
  try {
    return entriesOf(file);
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return null;
    throw error;
  }
}

function entriesOf(file: Bytes): Entry[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const last = file.length - END_BYTES;
  if (view.getUint32(last, true) !== END) throw new RangeError("no end record");
  const entries: Entry[] = [];
  let at = view.getUint32(last + 16, true);
  for (let left = view.getUint16(last + 10, true); left > 0; left--) {
    const [method, crc, size] = [view.getUint16(at + 10, true), view.getUint32(at + 16, true), view.getUint32(at + 24, true)];
    const [nameBytes, more] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true) + view.getUint16(at + 32, true)];
    const name = fromUtf8(file.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes));
    const place = view.getUint32(at + 42, true);
    const begin = place + LOCAL_BYTES + view.getUint16(place + 26, true) + view.getUint16(place + 28, true);
    const bytes = file.slice(begin, begin + size);
    const good = view.getUint32(at, true) === CENTRAL && method === 0 && crc32(bytes) === crc;
    if (!good) throw new RangeError("not stored, or damaged");
    entries.push({ name, bytes });
    at += CENTRAL_BYTES + nameBytes + more;
  }
  return entries;
}

interface Told { name: Bytes; crc: number; size: number }

function local({ name, crc, size }: Told): Bytes {
  return concat(
    numbers([LOCAL, 4], [VERSION, 2], [UTF8_NAMES, 2], [0, 2], [0, 2], [FIRST_OF_1980, 2], [crc, 4], [size, 4], [size, 4],
      [name.length, 2], [0, 2]),
    name,
  );
}

function central({ name, crc, size }: Told, at: number): Bytes {
  return concat(
    numbers([CENTRAL, 4], [VERSION, 2], [VERSION, 2], [UTF8_NAMES, 2], [0, 2], [0, 2], [FIRST_OF_1980, 2], [crc, 4],
      [size, 4], [size, 4], [name.length, 2], [0, 2], [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]),
    name,
  );
}

function end(count: number, size: number, at: number): Bytes {
  return numbers([END, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [at, 4], [0, 2]);
}

/** Numbers of two or four bytes, the lowest first. */
function numbers(...values: [value: number, bytes: 2 | 4][]): Bytes {
  const shifts = [0, 8, 16, 24];
  return Uint8Array.from(values.flatMap(([value, bytes]) => shifts.slice(0, bytes).map((shift) => (value >>> shift) & 255)));
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Bytes): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
