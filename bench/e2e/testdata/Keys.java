import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

// Keys produces a record for each line, whose key is the line in base64, or null for the line
// "null", and prints the partition that the producer has chosen.
public class Keys {
  public static void main(String[] args) throws Exception {
    Map<String, Object> config = Map.of("bootstrap.servers", args[0], "linger.ms", 5);
    try (var lines = new BufferedReader(new InputStreamReader(System.in));
        var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (String line; (line = lines.readLine()) != null; ) {
        byte[] key = line.equals("null") ? null : Base64.getDecoder().decode(line);
        sent.add(producer.send(new ProducerRecord<>(args[1], key, "java".getBytes())));
      }
      for (var answer : sent) {
        System.out.println(answer.get().partition());
      }
    }
  }
}
