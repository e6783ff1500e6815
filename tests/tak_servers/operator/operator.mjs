// An operator at a TAK client, on the public libraries node-tak and node-cot: one JSON object a line in, one out.
//
// In:  {"do": "connect", "host", "port", "uid", "callsign", "first": "announce"|"ping", "pause_ms", "tls": {"cert", "key", "ca"}}
//      {"do": "announce"} | {"do": "direct", "to": {"uid", "callsign"}, "text"} | {"do": "room", "text"} | {"do": "close"}
// Out: {"is": "pong"} | {"is": "event", "uid", "type", "callsign", "place", "event"} | {"is": "unreadable", "why"}
//      {"is": "said", "uid", "message"} | {"is": "lost", "why"}
//
// node-tak speaks TLS alone. For a server's plain port its `tls.connect` gives a plain socket; all above it is node-tak's
// own. It pings as soon as the connection stands, which to some servers is the client's identity: `first` says what is
// written first, and `pause_ms` how long after it the other follows.

import { randomUUID } from 'node:crypto';
import net from 'node:net';
import readline from 'node:readline';
import tls from 'node:tls';
import TAK, { CoT } from '@tak-ps/node-tak';
import { CoTParser, DirectChat } from '@tak-ps/node-cot';

const ROOM = 'All Chat Rooms';
const secure = tls.connect;
let tak = null;
let me = null;

function tell(what) {
    process.stdout.write(JSON.stringify(what) + '\n');
}

// node-tak prints what it cannot read instead of raising it.
console.error = (...words) => {
    if (words[0] === 'Error parsing') tell({ is: 'unreadable', why: String(words[1]), data: words[2] });
    else process.stderr.write(words.map(String).join(' ') + '\n');
};

// node-cot refuses an event for these when they are empty, as one server makes them; other clients pass over them.
const find = TAK.findCoT;
TAK.findCoT = (text) => {
    const found = find(text);
    if (found && me.drop_empty) {
        found.event = found.event.replace(/<(contact|usericon|dest|link)><\/\1>/g, '');
    }
    return found;
};

function plain(options) {
    return net.connect({ host: options.host, port: options.port });
}

// Hold node-tak's own beginning (its ping) back until the announcement was written and the server had a moment, or
// write the announcement that long after it.
function opened(socket, ready) {
    const emit = socket.emit.bind(socket);
    socket.emit = (name, ...values) => {
        if (name !== ready) return emit(name, ...values);
        if (ready === 'connect') emit(name, ...values); // a socket begins to read at it
        const begin = () => emit('secureConnect', ...values);
        if (me.first === 'announce') {
            socket.write(announcement());
            setTimeout(begin, me.pause_ms);
        } else {
            begin();
            setTimeout(announce, me.pause_ms);
        }
        return true;
    };
    return socket;
}

function times(seconds) {
    const now = new Date();
    return { time: now.toISOString(), start: now.toISOString(), stale: new Date(now.getTime() + seconds * 1000).toISOString() };
}

function contact() {
    return new CoT({
        event: {
            _attributes: { version: '2.0', uid: me.uid, type: 'a-f-G-U-C', how: 'h-g-i-g-o', ...times(300) },
            point: { _attributes: { lat: '52.5', lon: '13.4', hae: '9999999.0', ce: '9999999.0', le: '9999999.0' } },
            detail: {
                contact: { _attributes: { callsign: me.callsign, endpoint: '*:-1:stcp' } },
                __group: { _attributes: { name: 'Cyan', role: 'HQ' } },
                takv: { _attributes: { device: 'tests', platform: 'node-cot', os: 'linux', version: '1' } },
            },
        },
    });
}

function announcement() {
    return CoTParser.to_xml(contact());
}

function announce() {
    if (tak && !tak.destroyed) tak.write([contact()]);
}

function room(text) {
    const message = randomUUID();
    const now = times(300);
    return new CoT({
        event: {
            _attributes: { version: '2.0', uid: `GeoChat.${me.uid}.${ROOM}.${message}`, type: 'b-t-f', how: 'h-g-i-g-o', ...now },
            point: { _attributes: { lat: '52.5', lon: '13.4', hae: '9999999.0', ce: '9999999.0', le: '9999999.0' } },
            detail: {
                __chat: {
                    _attributes: {
                        parent: 'RootContactGroup', groupOwner: 'false', messageId: message,
                        chatroom: ROOM, id: ROOM, senderCallsign: me.callsign,
                    },
                    chatgrp: { _attributes: { uid0: me.uid, uid1: ROOM, id: ROOM } },
                },
                link: { _attributes: { uid: me.uid, type: 'a-f-G-U-C', relation: 'p-p' } },
                remarks: { _attributes: { source: `BAO.F.ATAK.${me.uid}`, to: ROOM, time: now.time }, _text: text },
            },
        },
    });
}

async function say(cot) {
    await tak.write([cot]);
    await tak.flush();
    tell({ is: 'said', uid: cot.uid(), message: cot.raw.event.detail.__chat._attributes.messageId });
}

async function heard(cot) {
    const found = { is: 'event', uid: cot.uid(), type: cot.type(), callsign: cot.callsign(), event: cot.raw.event };
    try {
        found.place = (await CoTParser.to_geojson(cot)).geometry;
    } catch (error) {
        found.unplaceable = String(error);
    }
    tell(found);
}

async function connect(order) {
    me = order;
    tls.connect = (options) => order.tls ? opened(secure(options), 'secureConnect') : opened(plain(options), 'connect');
    const auth = order.tls ? { ...order.tls, rejectUnauthorized: false } : { cert: 'none', key: 'none' };
    tak = await TAK.connect(new URL(`ssl://${order.host}:${order.port}`), auth);
    tak.on('cot', heard).on('ping', () => tell({ is: 'pong' }))
        .on('error', (error) => tell({ is: 'lost', why: String(error) }))
        .on('end', () => tell({ is: 'lost', why: 'closed by the server' }));
}

const orders = {
    connect,
    announce,
    direct: (order) => say(new DirectChat({ from: me, to: order.to, message: order.text, chatroom: order.to.callsign })),
    room: (order) => say(room(order.text)),
    close: () => { tak.destroy(); process.exit(0); },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    await orders[order.do](order);
}
process.exit(0);
