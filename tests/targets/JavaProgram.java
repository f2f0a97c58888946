/** A Java process: two threads in a deadlock of monitors, main waits for them. */
public final class JavaProgram {
    private static final Object LEFT = new Object();
    private static final Object RIGHT = new Object();
    private static final java.util.concurrent.CountDownLatch BOTH = new java.util.concurrent.CountDownLatch(2);

    private static void take(Object first, Object second) {
        synchronized (first) {
            BOTH.countDown();
            try {
                BOTH.await();
            } catch (InterruptedException e) {
                return;
            }
            synchronized (second) {
                throw new IllegalStateException("no deadlock");
            }
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        Thread left = new Thread(() -> take(LEFT, RIGHT), "left-right");
        Thread right = new Thread(() -> take(RIGHT, LEFT), "right-left");
        left.start();
        right.start();
        System.out.println("ready " + ProcessHandle.current().pid() + " 0x0");
        left.join();
    }
}
