mvn -q compile dependency:build-classpath -Dmdep.outputFile=target/path
java --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED -cp target/classes:$(cat target/path) Example
