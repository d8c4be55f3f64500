// Canonical MessagePack, as much of it as the ledger hashes: integers, text, bytes, lists, yes and no, nothing.

const join = (parts) => {
  const whole = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of parts) { whole.set(one, at); at += one.length; }
  return whole;
};

const big = (value, bytes) => Uint8Array.from({ length: bytes }, (_, at) => Number((value >> BigInt(8 * (bytes - 1 - at))) & 255n));
const head = (...bytes) => Uint8Array.from(bytes);

const integer = (value) => {
  if (value >= 0n) {
    if (value < 128n) return head(Number(value));
    for (const [code, bytes] of [[0xcc, 1], [0xcd, 2], [0xce, 4], [0xcf, 8]]) if (value < 1n << BigInt(8 * bytes)) return join([head(code), big(value, bytes)]);
  } else {
    if (value >= -32n) return head(Number(256n + value));
    for (const [code, bytes] of [[0xd0, 1], [0xd1, 2], [0xd2, 4], [0xd3, 8]]) if (value >= -(1n << BigInt(8 * bytes - 1))) return join([head(code), big(BigInt.asUintN(8 * bytes, value), bytes)]);
  }
  throw new RangeError("an integer beyond 64 bits");
};

/** Bytes of a value: BigInt or whole number, string, Uint8Array, array, boolean or null. */
export const encode = (value) => {
  if (value === null) return head(0xc0);
  if (typeof value === "boolean") return head(value ? 0xc3 : 0xc2);
  if (typeof value === "number") return integer(BigInt(value));
  if (typeof value === "bigint") return integer(value);
  if (typeof value === "string") {
    const text = new TextEncoder().encode(value), size = text.length;
    return join([size < 32 ? head(0xa0 + size) : size < 256 ? head(0xd9, size) : head(0xda, size >> 8, size & 255), text]);
  }
  if (value instanceof Uint8Array) {
    const size = value.length;
    return join([size < 256 ? head(0xc4, size) : size < 65536 ? head(0xc5, size >> 8, size & 255) : join([head(0xc6), big(BigInt(size), 4)]), value]);
  }
  const size = value.length;
  return join([size < 16 ? head(0x90 + size) : head(0xdc, size >> 8, size & 255), ...value.map(encode)]);
};

/** The value of bytes; integers as BigInt. Throws RangeError where they are cut or say something else. */
export const decode = (bytes) => {
  let at = 0;
  const take = (count) => {
    if (at + count > bytes.length) throw new RangeError("the bytes end too early");
    at += count;
    return bytes.subarray(at - count, at);
  };
  const size = (count) => take(count).reduce((sum, one) => sum * 256 + one, 0);
  const number = (count, signed) => {
    const value = take(count).reduce((sum, one) => sum * 256n + BigInt(one), 0n);
    return signed ? BigInt.asIntN(8 * count, value) : value;
  };
  const text = (count) => new TextDecoder("utf-8", { fatal: true }).decode(take(count));
  const list = (count) => Array.from({ length: count }, () => value());
  const value = () => {
    const code = size(1);
    if (code < 0x80) return BigInt(code);
    if (code >= 0xe0) return BigInt(code - 256);
    if (code >= 0x90 && code < 0xa0) return list(code - 0x90);
    if (code >= 0xa0 && code < 0xc0) return text(code - 0xa0);
    switch (code) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return take(size(1));
      case 0xc5: return take(size(2));
      case 0xc6: return take(size(4));
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return number(1 << (code - 0xcc), false);
      case 0xd0: case 0xd1: case 0xd2: case 0xd3: return number(1 << (code - 0xd0), true);
      case 0xd9: return text(size(1));
      case 0xda: return text(size(2));
      case 0xdc: return list(size(2));
      default: throw new RangeError(`byte ${code} begins nothing that is known here`);
    }
  };
  const whole = value();
  if (at !== bytes.length) throw new RangeError("bytes are left over");
  return whole;
};

export const hex = (bytes) => Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
export const unhex = (text) => {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new RangeError("this is not hexadecimal");
  return Uint8Array.from(text.match(/../g) || [], (one) => parseInt(one, 16));
};
export { join };
