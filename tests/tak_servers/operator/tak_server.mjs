// A server that offers TAK protocol 1 and speaks it as node-cot does: what it takes out as JSON lines, chat in by orders.
//
// Out: {"is": "port", "port"} | {"is": "spoken", "protocol": "xml"|"protobuf"} | {"is": "event", …} | {"is": "unreadable", "why"}
// In:  {"do": "room", "uid", "callsign", "text"}

import { randomUUID } from 'node:crypto';
import net from 'node:net';
import readline from 'node:readline';
import { CoT } from '@tak-ps/node-tak';
import { CoTParser } from '@tak-ps/node-cot';

const ROOM = 'All Chat Rooms';
const MAGIC = 0xbf;
let client = null;

function tell(what) {
    process.stdout.write(JSON.stringify(what) + '\n');
}

function times() {
    const now = new Date();
    return { time: now.toISOString(), start: now.toISOString(), stale: new Date(now.getTime() + 60000).toISOString() };
}

function event(type, uid, detail) {
    const point = { _attributes: { lat: '52.5', lon: '13.4', hae: '0', ce: '9', le: '9' } };
    return new CoT({ event: { _attributes: { version: '2.0', uid, type, how: 'm-g', ...times() }, point, detail } });
}

function control(type, detail) {
    return `<event version="2.0" uid="protouid" type="${type}" how="m-g" time="${times().time}" start="${times().start}"`
        + ` stale="${times().stale}"><point lat="0" lon="0" hae="0" ce="9" le="9"/><detail><TakControl>${detail}</TakControl></detail></event>`;
}

function varint(number) {
    const bytes = [];
    for (; number > 127; number >>= 7) bytes.push((number & 127) | 128);
    return Buffer.from([...bytes, number]);
}

async function framed(cot) {
    const payload = Buffer.from(await CoTParser.to_proto(cot));
    return Buffer.concat([Buffer.from([MAGIC]), varint(payload.length), payload]);
}

// The length at an offset, and where what it counts begins; null while it is not all there.
function length(data, at) {
    let value = 0;
    for (let index = at, shift = 0; index < data.length; index += 1, shift += 7) {
        value += (data[index] & 127) * 2 ** shift;
        if (data[index] < 128) return [value, index + 1];
    }
    return null;
}

function serve(socket) {
    let data = Buffer.alloc(0);
    let isProtobuf = false;
    let working = Promise.resolve();
    client = { send: async (cot) => socket.write(isProtobuf ? await framed(cot) : CoTParser.to_xml(cot)) };
    socket.write(control('t-x-takp-v', '<TakProtocolSupport version="1"/>'));

    async function heard(cot) {
        tell({ is: 'event', uid: cot.uid(), type: cot.type(), callsign: cot.callsign(), event: cot.raw.event,
            place: (await CoTParser.to_geojson(cot)).geometry });
        if (cot.type() === 't-x-c-t') await client.send(event('t-x-c-t-r', `${cot.uid()}-pong`, {}));
    }

    async function xml() {
        const end = data.indexOf('</event>');
        if (end < 0) return false;
        const text = data.subarray(0, end + 8).toString();
        data = data.subarray(end + 8);
        if (text.includes('t-x-takp-q')) {
            socket.write(control('t-x-takp-r', '<TakResponse status="true"/>'));
            isProtobuf = true;
            tell({ is: 'spoken', protocol: 'protobuf' });
        } else {
            await heard(CoTParser.from_xml(text.slice(text.indexOf('<event'))));
        }
        return true;
    }

    async function protobuf() {
        if (!data.length) return false;
        if (data[0] !== MAGIC) throw new Error(`no magic byte but ${data[0]}`);
        const found = length(data, 1);
        if (!found || data.length < found[0] + found[1]) return false;
        const payload = data.subarray(found[1], found[0] + found[1]);
        data = data.subarray(found[0] + found[1]);
        await heard(await CoTParser.from_proto(payload));
        return true;
    }

    async function work() {
        try {
            while (await (isProtobuf ? protobuf() : xml()));
        } catch (error) {
            tell({ is: 'unreadable', why: String(error), data: data.toString('hex').slice(0, 200) });
            socket.destroy();
        }
    }

    socket.on('data', (chunk) => {
        data = Buffer.concat([data, chunk]);
        working = working.then(work);
    }).on('error', () => {});
}

const server = net.createServer(serve).listen(0, '127.0.0.1', () => tell({ is: 'port', port: server.address().port }));

for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    const message = randomUUID();
    await client.send(event('b-t-f', `GeoChat.${order.uid}.${ROOM}.${message}`, {
        __chat: {
            _attributes: { parent: 'RootContactGroup', groupOwner: 'false', messageId: message, chatroom: ROOM, id: ROOM,
                senderCallsign: order.callsign },
            chatgrp: { _attributes: { uid0: order.uid, uid1: ROOM, id: ROOM } },
        },
        link: { _attributes: { uid: order.uid, type: 'a-f-G-U-C', relation: 'p-p' } },
        remarks: { _attributes: { source: `BAO.F.ATAK.${order.uid}`, to: ROOM, time: times().time }, _text: order.text },
    }));
}
process.exit(0);
