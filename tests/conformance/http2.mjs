// An HTTP/2 client: one JSON request a line in, one JSON answer a line out. It normalises nothing it need not.
import http2 from 'node:http2';
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';

const ca = readFileSync(process.argv[2]);
const sessions = new Map();

function session(port, source) {
  const name = `${port} ${source}`;
  const known = sessions.get(name);
  if (known && !known.closed && !known.destroyed) return known;
  const opened = http2.connect(`https://localhost:${port}`, { ca, localAddress: source, lookup: (host, options, done) =>
    options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4) });
  opened.on('error', () => {});
  sessions.set(name, opened);
  return opened;
}

function drop(port, source) {
  const known = sessions.get(`${port} ${source}`);
  sessions.delete(`${port} ${source}`);
  if (known) known.destroy();
}

function ask({ port, source, method, path, authority, fields, body }) {
  return new Promise((answer) => {
    // A stream of a connection that is never made says nothing by itself.
    const guard = setTimeout(() => { drop(port, source); done({ status: 0, fields: [], body: '', error: 'no answer' }); }, 15000);
    const done = (result) => { clearTimeout(guard); answer(result); };
    const fail = (error) => done({ status: 0, fields: [], body: '', error: String(error.code || error) });
    let stream;
    const head = [':method', method, ':scheme', 'https'];
    if (path !== null) head.push(':path', path);
    if (authority !== null) head.push(':authority', authority);
    try {
      stream = session(port, source).request([...head, ...fields.flat()], { endStream: body === '' });
    } catch (error) { fail(error); return; }
    const chunks = [];
    let status = 0, found = [];
    stream.on('response', (headers, flags, raw) => {
      for (let i = 0; i < raw.length; i += 2) {
        if (raw[i] === ':status') status = Number(raw[i + 1]); else found.push([raw[i], raw[i + 1]]);
      }
    });
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('error', fail);
    const tell = () => done({ status, fields: found, body: Buffer.concat(chunks).toString('base64'),
      error: stream.rstCode ? `RST ${stream.rstCode}` : '' });
    // An answer may be whole before the request is: the rest of it goes nowhere.
    stream.on('end', () => { if (status) { tell(); stream.close(); } });
    stream.on('close', tell);
    stream.setTimeout(10000, () => stream.close(8));
    if (body !== '') stream.end(Buffer.from(body, 'base64'));
  });
}

// Request after request on `clients` sessions, until a line says stop. A stream the server never took may go again.
async function storm({ port, clients }) {
  let isOver = false;
  const count = { answered: 0, failed: {}, sessions: 0 };
  const one = async () => {
    let own;
    while (!isOver) {
      if (!own || own.closed || own.destroyed) {
        own = http2.connect(`https://localhost:${port}`, { ca });
        own.on('error', () => {});
        count.sessions += 1;
        const reached = await new Promise((done) => { own.once('connect', () => done(true)); own.once('error', () => done(false)); });
        if (!reached) { count.failed.unreachable = (count.failed.unreachable || 0) + 1; own = undefined; await new Promise((go) => setTimeout(go, 20)); continue; }
      }
      const used = own;
      const outcome = await new Promise((done) => {
        let stream;
        try { stream = used.request({ ':path': '/' }); } catch { done('again'); return; }
        let status = 0, size = 0, length = -1;
        stream.on('response', (headers) => { status = headers[':status']; length = Number(headers['content-length']); });
        stream.on('data', (chunk) => { size += chunk.length; });
        stream.on('error', () => {});
        stream.on('close', () => {
          if (status === 200 && size === length) done('');
          else if (stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM && !status) done('again');
          else done(`status ${status}, ${size} of ${length} bytes, reset ${stream.rstCode}`);
        });
      });
      if (outcome === '') count.answered += 1;
      else if (outcome !== 'again') count.failed[outcome] = (count.failed[outcome] || 0) + 1;
      await new Promise((go) => setTimeout(go, 5));
    }
    if (own) own.close();
  };
  const all = Array.from({ length: clients }, one);
  stopStorm = async () => { isOver = true; await Promise.all(all); return count; };
  return { started: clients };
}
let stopStorm;

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const answer = request.storm ? await storm(request) : request.stop ? await stopStorm() : await ask(request);
  process.stdout.write(JSON.stringify(answer) + '\n');
}
process.exit(0);
