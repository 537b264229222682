package starling.server;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.helidon.http.HeaderNames;
import io.helidon.http.RequestException;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.http.ServerRequest;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.Locale;
import java.util.concurrent.TimeoutException;

/** Reads the JSON of a request, within limits. */
final class RequestBody {
  private static final int MAX_TOKENS = 100_000; // names, values and brackets
  private static final int MAX_DEPTH = 32;
  private static final int COPIES = 3; // the bytes, the text in them, the image in that

  private final long most;
  private final JsonMapper mapper;

  RequestBody(long most) {
    this.most = most;
    mapper =
        JsonMapper.builder(
                JsonFactory.builder()
                    .streamReadConstraints(
                        StreamReadConstraints.builder()
                            .maxTokenCount(MAX_TOKENS)
                            .maxNestingDepth(MAX_DEPTH)
                            .maxStringLength((int) Math.min(most, Integer.MAX_VALUE))
                            .maxNameLength(1000)
                            .maxNumberLength(100)
                            .build())
                    .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                    .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                    .build())
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
  }

  /**
   * Reads it.
   *
   * @param room pays for it before it is read
   */
  JsonNode read(Exchange exchange, Memory.Room room) {
    ServerRequest request = exchange.request();
    checkType(request.headers().first(HeaderNames.CONTENT_TYPE).orElse("absent"));
    long length = request.headers().contentLength().orElse(most);
    if (length > most) {
      drain(request);
      throw Refusal.tooLong(most);
    }
    room.take(length * COPIES);
    byte[] bytes = bytes(exchange);
    if (bytes.length > most) {
      throw Refusal.tooLong(most);
    }
    return parsed(bytes);
  }

  private static void checkType(String type) {
    String plain = type.toLowerCase(Locale.ROOT).replace(" ", "").replace("\"", "");
    if (!plain.equals("application/json") && !plain.equals("application/json;charset=utf-8")) {
      throw Refusal.noJson(type.length() <= 100 ? type : type.substring(0, 100));
    }
  }

  /** A client that is still sending would not read the refusal. */
  private void drain(ServerRequest request) {
    try (InputStream in = request.content().inputStream()) {
      in.skipNBytes(most);
      in.transferTo(OutputStream.nullOutputStream());
    } catch (IOException | RuntimeException e) {
      // It has had its time.
    }
  }

  private byte[] bytes(Exchange exchange) {
    try (InputStream in = exchange.request().content().inputStream()) {
      byte[] bytes = in.readNBytes((int) Math.min(most + 1, Integer.MAX_VALUE - 8));
      exchange.connection().requestIsRead();
      return bytes;
    } catch (RequestException e) {
      throw e.status().code() == 413
          ? Refusal.tooLong(most)
          : Refusal.ofProtocol(e.status().code(), "the request's body is broken");
    } catch (CloseConnectionException e) {
      if (e.getCause() instanceof TimeoutException) {
        throw Refusal.tooSlow();
      }
      exchange.clientIsGone();
      throw Refusal.cancelled();
    } catch (IOException | RuntimeException e) {
      exchange.clientIsGone();
      throw Refusal.cancelled();
    }
  }

  private JsonNode parsed(byte[] bytes) {
    try {
      JsonNode json = mapper.readTree(bytes);
      if (json == null || json.isMissingNode()) {
        throw Refusal.badField(null, "the request is empty; it must be a JSON object");
      }
      return json;
    } catch (StreamConstraintsException e) {
      throw Refusal.badField(
          null,
          "the request holds more than "
              + MAX_TOKENS
              + " names and values, is nested deeper than "
              + MAX_DEPTH
              + ", or has a name of 1000 characters or a number of 100");
    } catch (JsonProcessingException e) {
      String reason = e.getOriginalMessage().lines().findFirst().orElse("broken");
      throw Refusal.badField(null, "the request is not JSON: " + reason);
    } catch (IOException e) {
      throw new UncheckedIOException("from memory", e);
    }
  }
}
