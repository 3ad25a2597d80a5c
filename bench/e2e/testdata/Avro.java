import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

// Avro produces and consumes records in Avro, as Confluent's serializers do: a byte 0, the id of
// the schema in the registry in four bytes, and the value.
//
//     Avro produce BROKER TOPIC REGISTRY SCHEMA.avsc
//     Avro consume BROKER TOPIC REGISTRY COUNT         prints a value a line, in JSON
public class Avro {
  static final HttpClient http = HttpClient.newHttpClient();
  static final ObjectMapper json = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    if (args[0].equals("produce")) {
      produce(args[1], args[2], args[3], Files.readString(Path.of(args[4])));
    } else {
      consume(args[1], args[2], args[3], Integer.parseInt(args[4]));
    }
  }

  static void produce(String broker, String topic, String registry, String text) throws Exception {
    Schema schema = new Schema.Parser().parse(text);
    var body = json.writeValueAsString(Map.of("schema", schema.toString()));
    var request = HttpRequest.newBuilder(URI.create(registry + "/subjects/" + topic + "-value/versions"))
        .header("Content-Type", "application/vnd.schemaregistry.v1+json")
        .POST(HttpRequest.BodyPublishers.ofString(body)).build();
    int id = json.readTree(answer(request)).get("id").asInt();
    Map<String, Object> config = Map.of("bootstrap.servers", broker);
    try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (GenericRecord record : readings(schema)) {
        var out = new ByteArrayOutputStream();
        out.write(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array());
        var encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
        encoder.flush();
        producer.send(new ProducerRecord<>(topic, record.get("device").toString().getBytes(), out.toByteArray())).get();
      }
    }
  }

  static List<GenericRecord> readings(Schema schema) {
    var all = new ArrayList<GenericRecord>();
    for (int n = 0; n < 2; n++) {
      var tags = new GenericData.Array<GenericRecord>(2, schema.getField("tags").schema());
      for (String name : new String[] {"Ünïcödé 👩‍🚀", "\"quoted\"\n"}) {
        var tag = new GenericData.Record(schema.getField("tags").schema().getElementType());
        tag.put("name", name);
        tags.add(tag);
      }
      var record = new GenericData.Record(schema);
      record.put("device", "dev-" + n);
      record.put("at", 1795245600123L + n);
      record.put("at_us", 1795245600123456L);
      record.put("local", -1L);
      record.put("day", 20777);
      record.put("time_ms", 86399999);
      record.put("time_us", 86399999999L);
      record.put("price", ByteBuffer.wrap(new BigDecimal("-1234567.89").unscaledValue().toByteArray()));
      record.put("share", fixed(schema, "share", new BigDecimal("0.5000").unscaledValue().toByteArray()));
      record.put("uuid", "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d");
      record.put("lasts", fixed(schema, "lasts", 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0));
      record.put("raw", ByteBuffer.wrap(new byte[] {0, (byte) 255, 'a'}));
      record.put("mac", fixed(schema, "mac", 1, 2, 3, (byte) 254));
      record.put("kind", new GenericData.EnumSymbol(schema.getField("kind").schema(), n == 0 ? "FIRST" : "SECOND"));
      record.put("ok", n == 0);
      record.put("small", 1.5f);
      record.put("big", n == 0 ? Double.NaN : -1.0 / 3);
      record.put("most", Long.MAX_VALUE);
      record.put("note", n == 0 ? null : "a note");
      record.put("any", n == 0 ? (Object) 7L : "text");
      record.put("tags", tags);
      record.put("levels", new HashMap<>(Map.of("a", Arrays.asList(1, 2, 3))));
      if (n > 0) {
        record.put("before", all.get(n - 1));
      }
      all.add(record);
    }
    return all;
  }

  static GenericData.Fixed fixed(Schema schema, String field, int... bytes) {
    byte[] all = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      all[i] = (byte) bytes[i];
    }
    return fixed(schema, field, all);
  }

  static GenericData.Fixed fixed(Schema schema, String field, byte[] bytes) {
    Schema type = schema.getField(field).schema();
    byte[] all = new byte[type.getFixedSize()];
    System.arraycopy(bytes, 0, all, all.length - bytes.length, bytes.length);
    return new GenericData.Fixed(type, all);
  }

  static void consume(String broker, String topic, String registry, int count) throws Exception {
    var schemas = new HashMap<Integer, Schema>();
    Map<String, Object> config = Map.of("bootstrap.servers", broker, "auto.offset.reset", "earliest");
    try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      var partitions = consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      while (count > 0) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          count--;
          ByteBuffer frame = ByteBuffer.wrap(record.value());
          if (frame.get() != 0) {
            throw new IllegalStateException("a value does not begin with a byte 0");
          }
          int id = frame.getInt();
          Schema schema = schemas.get(id);
          if (schema == null) {
            var request = HttpRequest.newBuilder(URI.create(registry + "/schemas/ids/" + id)).build();
            schema = new Schema.Parser().parse(json.readTree(answer(request)).get("schema").asText());
            schemas.put(id, schema);
          }
          var decoder = DecoderFactory.get().binaryDecoder(record.value(), 5, record.value().length - 5, null);
          Object value = new GenericDatumReader<>(schema).read(null, decoder);
          if (!decoder.isEnd()) {
            throw new IllegalStateException("there are bytes behind a value");
          }
          System.out.println(value);
        }
      }
    }
  }

  static String answer(HttpRequest request) throws Exception {
    var answer = http.send(request, BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new IllegalStateException(request.uri() + ": " + answer.statusCode() + " " + answer.body());
    }
    return answer.body();
  }
}
