// Read so many records of a topic with kafkajs and its defaults, and print key, value and type of each as a JSON line.
import kafkajs from "kafkajs";

const [bootstrap, topic, count] = process.argv.slice(2);
const client = new kafkajs.Kafka({ clientId: "room", brokers: [bootstrap], logLevel: kafkajs.logLevel.NOTHING });
const consumer = client.consumer({ groupId: `room-${topic}` });
let left = Number(count);

consumer.on(consumer.events.CRASH, ({ payload }) => {
  if (payload.restart) return; // it joins again by itself, as while a coordinator is loading
  console.error(payload.error.message);
  process.exit(1);
});
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const record = { key: String(message.key), value: message.value.toString("base64"), type: String(message.headers.ce_type) };
    console.log(JSON.stringify(record));
    if (--left === 0) process.exit(0);
  },
});
