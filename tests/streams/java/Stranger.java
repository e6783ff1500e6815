import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Base64;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A control room's own program: writes what comes on standard input with Kafka's client for Java, as it is by default.
 * A line is `topic key value`, key and value in Base64; an empty line flushes and is answered with one. Arguments: the
 * brokers, and how key and partition are chosen: `murmur2` (the client's default), `random_partition`, `null_key`.
 */
public final class Stranger {
    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "acks", "all", "linger.ms", 0);
        Random random = new Random(13);
        Map<String, Integer> chosen = new java.util.HashMap<>();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.isEmpty()) {
                    producer.flush();
                    System.out.println();
                    System.out.flush();
                    continue;
                }
                String[] parts = line.split(" ");
                byte[] key = args[1].equals("null_key") ? null : Base64.getDecoder().decode(parts[1]);
                // One key, one partition: order is kept in a partition only, for whoever writes.
                Integer partition = args[1].equals("murmur2") ? null
                        : chosen.computeIfAbsent(parts[1], name -> random.nextInt(producer.partitionsFor(parts[0]).size()));
                producer.send(new ProducerRecord<>(parts[0], partition, key, Base64.getDecoder().decode(parts[2]))).get();
            }
        }
    }
}
