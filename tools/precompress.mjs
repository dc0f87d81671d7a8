// Compresses files for hosts that send compressed ones: lines "SOURCE<tab>TARGET<tab>QUALITY" come in on stdin, where TARGET gets
// ".br" and ".gz". JavaScript, because Node.js, which set-up needs anyway, has brotli, and Python has not.
import { readFile, rename, writeFile } from "node:fs/promises";
import { argv, exit, stdin } from "node:process";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const AT_ONCE = Number(argv[2]);

async function write(path, content) {
  await writeFile(`${path}.partial`, content);
  await rename(`${path}.partial`, path);
}

async function compress(line) {
  const [source, target, quality] = line.split("\t");
  const content = await readFile(source);
  const { BROTLI_PARAM_QUALITY: QUALITY, BROTLI_PARAM_LGWIN: WINDOW, BROTLI_PARAM_SIZE_HINT: HINT } = constants;
  const params = { [QUALITY]: Number(quality), [WINDOW]: constants.BROTLI_MAX_WINDOW_BITS, [HINT]: content.length };
  await write(`${target}.br`, await promisify(brotliCompress)(content, { params }));
  await write(`${target}.gz`, await promisify(gzip)(content, { level: Math.min(Number(quality), 9) }));
}

try {
  const lines = (await text(stdin)).split("\n").filter(Boolean);
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (lines.length) await compress(lines.shift());
    }),
  );
} catch (error) {
  console.error(error.message ?? error);
  exit(1);
}
