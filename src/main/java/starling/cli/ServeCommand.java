package starling.cli;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import starling.Model;
import starling.device.DType;
import starling.device.DeviceType;
import starling.input.InputException;
import starling.server.ApiKey;
import starling.server.ConnectionLimits;
import starling.server.RequestLimits;
import starling.server.Server;
import starling.server.ServerOptions;

/** A server, until it is told to end. */
@Command(
    name = "serve",
    description = "Answers over HTTP, as OpenAI's chat endpoint does, until Ctrl-C or SIGTERM.")
final class ServeCommand implements Callable<Integer> {
  @Spec private CommandSpec command;

  @Option(names = "--model", required = true, paramLabel = "DIR", description = "checkpoint folder")
  private Path model;

  @Option(
      names = "--device",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "auto, cpu, cuda, emulated")
  private String device;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      defaultValue = "auto",
      description = "auto, f32, bf16, f16")
  private String dtype;

  @Option(
      names = "--host",
      paramLabel = "NAME",
      defaultValue = "127.0.0.1",
      description = "where to listen; other than this machine's own needs a key")
  private String host;

  @Option(
      names = "--port",
      paramLabel = "N",
      defaultValue = "8080",
      description = "0 takes a free one")
  private int port;

  @Option(
      names = "--api-key-file",
      paramLabel = "FILE",
      description = "holds the key that clients must send; else STARLING_API_KEY may")
  private Path keyFile;

  @Option(
      names = "--allow-remote-images",
      description = "fetch images from public http and https addresses")
  private boolean remoteImages;

  @Option(
      names = "--access-log",
      paramLabel = "FILE",
      description = "takes the log in place of standard error; it grows at its end")
  private Path accessLog;

  @Option(
      names = "--max-body-mib",
      paramLabel = "N",
      defaultValue = "32",
      description = "of a request")
  private int bodyMib;

  @Option(
      names = "--max-image-mib",
      paramLabel = "N",
      defaultValue = "16",
      description = "of an image file")
  private int imageMib;

  @Option(
      names = "--max-image-pixels",
      paramLabel = "N",
      defaultValue = "40000000",
      description = "of an image")
  private int imagePixels;

  @Option(
      names = "--max-images",
      paramLabel = "N",
      defaultValue = "8",
      description = "of a request")
  private int images;

  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      defaultValue = "1024",
      description = "of an answer; as many as a request gets that does not say")
  private int tokens;

  @Option(
      names = "--max-seconds",
      paramLabel = "N",
      defaultValue = "300",
      description = "of waiting and answering")
  private int seconds;

  @Option(
      names = "--max-connections",
      paramLabel = "N",
      defaultValue = "256",
      description = "at once; more wait")
  private int connections;

  @Option(
      names = "--read-seconds",
      paramLabel = "N",
      defaultValue = "30",
      description = "in which a request must have come in")
  private int readSeconds;

  @Option(
      names = "--idle-seconds",
      paramLabel = "N",
      defaultValue = "60",
      description = "after which a silent connection is closed")
  private int idleSeconds;

  @Option(
      names = "--grace-seconds",
      paramLabel = "N",
      defaultValue = "20",
      description = "that questions may go on when the server ends")
  private int graceSeconds;

  @Override
  public Integer call() throws InterruptedException, IOException {
    DeviceType type = checkedDevice();
    RequestLimits requests = requestLimits();
    ConnectionLimits limits = connectionLimits();
    check("--port", port, 0, 65_535);
    check("--grace-seconds", graceSeconds, 0, 3600);
    ApiKey key = key();
    PrintStream log = log();
    try (Model opened = Model.open(model, type, dtype.equals("auto") ? null : DType.of(dtype))) {
      opened.warnings().forEach(warning -> System.err.println("starling: warning: " + warning));
      var options =
          new ServerOptions(
              host,
              port,
              model.toRealPath().getFileName().toString(),
              key,
              remoteImages,
              requests,
              limits,
              Duration.ofSeconds(graceSeconds),
              log);
      serve(opened, options);
    } finally {
      if (accessLog != null) {
        log.close();
      }
    }
    return 0;
  }

  /** Until the process is told to end, which waits for the server. */
  private static void serve(Model model, ServerOptions options) throws InterruptedException {
    var told = new CountDownLatch(1);
    var ended = new CountDownLatch(1);
    var hook =
        new Thread(
            () -> {
              told.countDown();
              try {
                ended.await();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    try (Server server = Server.start(model, options)) {
      Runtime.getRuntime().addShutdownHook(hook);
      System.err.println(
          "starling: http://%s:%d/v1 has the model %s; Ctrl-C ends it"
              .formatted(
                  options.host().contains(":") ? "[" + options.host() + "]" : options.host(),
                  server.port(),
                  options.modelName()));
      told.await();
      System.err.println("starling: shutting down");
    } finally {
      model.close();
      ended.countDown();
    }
  }

  private DeviceType checkedDevice() {
    Usage.oneOf(command.commandLine(), "--device", device, DeviceType.labels());
    Usage.oneOf(command.commandLine(), "--dtype", dtype, List.of("auto", "f32", "bf16", "f16"));
    return DeviceType.of(device);
  }

  private RequestLimits requestLimits() {
    check("--max-body-mib", bodyMib, 1, 512);
    check("--max-image-mib", imageMib, 1, 256);
    check("--max-image-pixels", imagePixels, 1, 178_956_970);
    check("--max-images", images, 0, 1024);
    check("--max-tokens", tokens, 1, 1 << 20);
    check("--max-seconds", seconds, 1, 86_400);
    RequestLimits usual = RequestLimits.USUAL;
    return new RequestLimits(
        (long) bodyMib << 20,
        (long) imageMib << 20,
        imagePixels,
        images,
        usual.messages(),
        usual.answers(),
        tokens,
        Duration.ofSeconds(seconds));
  }

  private ConnectionLimits connectionLimits() {
    check("--max-connections", connections, 1, 65_536);
    check("--read-seconds", readSeconds, 1, 3600);
    check("--idle-seconds", idleSeconds, 1, 3600);
    return new ConnectionLimits(
        connections, Duration.ofSeconds(readSeconds), Duration.ofSeconds(idleSeconds));
  }

  private ApiKey key() {
    if (keyFile != null) {
      return ApiKey.read(keyFile);
    }
    String key = System.getenv("STARLING_API_KEY");
    return key == null ? null : ApiKey.of(key, "STARLING_API_KEY");
  }

  private PrintStream log() {
    if (accessLog == null) {
      return System.err;
    }
    Output.checkWritable(List.of(accessLog), List.of());
    try {
      return new PrintStream(
          new FileOutputStream(accessLog.toFile(), true), true, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new InputException(accessLog + ": cannot be written (" + Output.reason(e) + ")", e);
    }
  }

  private void check(String option, int value, int least, int most) {
    Usage.check(
        command.commandLine(),
        value >= least && value <= most,
        option + " is " + value + "; it must be from " + least + " to " + most);
  }
}
