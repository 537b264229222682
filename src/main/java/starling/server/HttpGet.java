package starling.server;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.Socket;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import starling.input.InputException;

/**
 * One GET over HTTP/1.1, to an address that the caller has looked up. Clients that are libraries
 * look names up themselves, or hold whole chunks in memory before they count them.
 */
final class HttpGet implements AutoCloseable {
  private static final int MAX_HEAD = 16 << 10;

  private final Socket socket;
  private final InputStream in;
  private final Map<String, String> headers = new TreeMap<>();
  private int headLeft = MAX_HEAD;
  private int status;

  private HttpGet(Socket socket) throws IOException {
    this.socket = socket;
    this.in = new BufferedInputStream(socket.getInputStream());
  }

  /**
   * Sends the request and reads the head of the response.
   *
   * @param host where the connection goes; the certificate must be the address's all the same
   * @param millis for connecting and for each wait
   */
  static HttpGet send(URI address, InetAddress host, int millis) throws IOException {
    boolean secure = address.getScheme().equalsIgnoreCase("https");
    int port = address.getPort() >= 0 ? address.getPort() : secure ? 443 : 80;
    var socket = new Socket(Proxy.NO_PROXY);
    try {
      socket.setSoTimeout(millis);
      socket.connect(new InetSocketAddress(host, port), millis);
      var get = new HttpGet(secure ? secured(socket, address.getHost(), port) : socket);
      get.socket.getOutputStream().write(request(address));
      get.readHead();
      return get;
    } catch (IOException | RuntimeException e) {
      socket.close();
      throw e;
    }
  }

  private static Socket secured(Socket socket, String host, int port) throws IOException {
    var factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
    var secured = (SSLSocket) factory.createSocket(socket, host, port, true);
    var parameters = secured.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    secured.setSSLParameters(parameters);
    secured.startHandshake();
    return secured;
  }

  private static byte[] request(URI address) {
    URI ascii = URI.create(address.toASCIIString());
    String path = ascii.getRawPath() == null ? "" : ascii.getRawPath();
    String query = ascii.getRawQuery() == null ? "" : "?" + ascii.getRawQuery();
    String port = address.getPort() >= 0 ? ":" + address.getPort() : "";
    String text =
        "GET "
            + (path.isEmpty() ? "/" : path)
            + query
            + " HTTP/1.1\r\nHost: "
            + address.getHost()
            + port
            + "\r\nUser-Agent: starling\r\nAccept: image/png, image/jpeg"
            + "\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n";
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private void readHead() throws IOException {
    String line = line();
    if (!line.matches("HTTP/1\\.[01] [1-5]\\d\\d( .*)?")) {
      throw new IOException("the answer is not HTTP/1.1");
    }
    status = Integer.parseInt(line.substring(9, 12));
    for (line = line(); !line.isEmpty(); line = line()) {
      int colon = line.indexOf(':');
      if (colon > 0) {
        String name = line.substring(0, colon).toLowerCase(Locale.ROOT);
        headers.put(name, line.substring(colon + 1).strip());
      }
    }
  }

  /** Without its end. */
  private String line() throws IOException {
    var line = new StringBuilder();
    for (int b = in.read(); b != '\n'; b = in.read()) {
      if (b < 0) {
        throw new EOFException("the answer is cut off");
      }
      if (--headLeft < 0) {
        throw new IOException("the answer has more than " + MAX_HEAD + " bytes before its content");
      }
      line.append((char) b);
    }
    int end = line.length();
    return line.substring(0, end > 0 && line.charAt(end - 1) == '\r' ? end - 1 : end);
  }

  int status() {
    return status;
  }

  /** Where the server sends on to; null if nowhere. */
  URI location() throws IOException {
    try {
      String location = headers.get("location");
      return location == null ? null : new URI(location);
    } catch (URISyntaxException e) {
      throw new IOException("it is sent on to what is no address", e);
    }
  }

  /**
   * The content.
   *
   * @throws InputException if it is more
   */
  byte[] body(long most, String name) throws IOException {
    if (!headers.getOrDefault("content-encoding", "identity").equalsIgnoreCase("identity")) {
      throw new IOException("it is packed, though that was not asked for");
    }
    var body = new ByteArrayOutputStream();
    if (headers.containsKey("transfer-encoding")) {
      if (!headers.get("transfer-encoding").equalsIgnoreCase("chunked")) {
        throw new IOException("it comes in an unknown encoding");
      }
      for (long chunk = chunk(); chunk > 0; chunk = chunk()) {
        append(body, chunk, most, name);
        line(); // behind each chunk
      }
    } else if (headers.containsKey("content-length")) {
      append(body, number(headers.get("content-length"), 10), most, name);
    } else {
      byte[] all = in.readNBytes((int) Math.min(most + 1, Integer.MAX_VALUE - 8));
      checkLength(all.length, most, name);
      return all;
    }
    return body.toByteArray();
  }

  private long chunk() throws IOException {
    headLeft = MAX_HEAD;
    return number(line().split(";", 2)[0].strip(), 16);
  }

  private static long number(String text, int radix) throws IOException {
    try {
      long number = Long.parseLong(text, radix);
      if (number >= 0) {
        return number;
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new IOException("its length is no number");
  }

  private void append(ByteArrayOutputStream body, long length, long most, String name)
      throws IOException {
    if (length > most - body.size()) {
      checkLength(most + 1, most, name);
    }
    byte[] bytes = in.readNBytes((int) length);
    if (bytes.length < length) {
      throw new EOFException("it is cut off");
    }
    body.writeBytes(bytes);
  }

  private static void checkLength(long length, long most, String name) {
    if (length > most) {
      throw new InputException(
          name + " has more than the " + most + " bytes that an image may have");
    }
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
